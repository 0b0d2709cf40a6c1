#include "command/usage.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "command/family.h"

namespace alfheim::command {
namespace {

std::vector<Change> read_history(std::string_view text) {
  std::vector<Change> changes;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const size_t space = line.find(' ');
    ALF_CHECK_MSG(space != std::string_view::npos, line);
    changes.push_back(Change{.since = line.substr(0, space), .text = line.substr(space + 1)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return changes;
}

Row* find_row(std::vector<Row>& rows, std::string_view name) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [name](const Row& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

Usage read_usage(const UsageText& text) {
  base::Result<std::vector<SyntaxArgument>> arguments = parse_syntax(text.syntax);
  ALF_CHECK_MSG(arguments.is_ok(), arguments.error().message);
  return {.arguments = std::move(*arguments),
          .history = read_history(text.history),
          .deprecated_since = text.deprecated_since,
          .replaced_by = text.replaced_by,
          .doc_flag = text.doc_flag};
}

void set_usages(std::vector<Row>& rows, std::span<const UsageText> texts) {
  for (const UsageText& text : texts) {
    const size_t bar = text.name.find('|');
    Row* row = find_row(rows, text.name.substr(0, bar));
    ALF_CHECK_MSG(row != nullptr, text.name);
    if (bar != std::string_view::npos) row = find_row(row->subcommands, text.name);
    ALF_CHECK_MSG(row != nullptr, text.name);
    ALF_CHECK_MSG(row->usage.arguments.empty(), text.name);  // not told twice
    row->usage = read_usage(text);
  }
}

}  // namespace alfheim::command
