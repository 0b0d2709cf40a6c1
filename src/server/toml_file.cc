#include "server/toml_file.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/format.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

bool is_bare_key(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '-' || letter == '_';
  });
}

std::optional<char> unescaped(char letter) {
  switch (letter) {
    case 'b': return '\b';
    case 't': return '\t';
    case 'n': return '\n';
    case 'f': return '\f';
    case 'r': return '\r';
    case '"': return '"';
    case '\\': return '\\';
    default: return std::nullopt;
  }
}

struct Value {
  std::string text;
  std::string_view rest;  // behind it, on the same line
};

// `text` begins with a quote.
std::optional<Value> read_string(std::string_view text) {
  const char quote = text.front();
  Value value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == quote) {
      value.rest = text.substr(i + 1);
      return value;
    }
    if (text[i] == '\\' && quote == '"') {
      if (++i == text.size()) return std::nullopt;
      const std::optional<char> letter = unescaped(text[i]);
      if (!letter) return std::nullopt;
      value.text.push_back(*letter);
    } else {
      value.text.push_back(text[i]);
    }
  }
  return std::nullopt;
}

bool is_integer(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() && text.front() != '_' && text.back() != '_' &&
         std::all_of(text.begin(), text.end(),
                     [](char letter) { return (letter >= '0' && letter <= '9') || letter == '_'; });
}

std::optional<Value> read_bare(std::string_view text) {
  const size_t comment = std::min(text.find('#'), text.size());
  const std::string_view word = trim(text.substr(0, comment));
  if (word != "true" && word != "false" && !is_integer(word)) return std::nullopt;
  Value value{std::string(word), text.substr(comment)};
  std::erase(value.text, '_');
  if (value.text.starts_with('+')) value.text.erase(0, 1);
  return value;
}

// "" where the line holds an entry.
std::string read_line(std::string_view line, TomlEntry& entry) {
  if (line.front() == '[') return "tables are not known here: options stand at the top level";
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    return base::format("found \"{}\", expected key = value", line);
  }
  std::string_view key = trim(line.substr(0, equals));
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') {
    key = key.substr(1, key.size() - 2);
  }
  if (!is_bare_key(key)) return base::format("\"{}\" is no key", key);
  const std::string_view text = trim(line.substr(equals + 1));
  if (text.empty()) return base::format("{} has no value", key);
  const bool is_quoted = text.front() == '"' || text.front() == '\'';
  std::optional<Value> value = is_quoted ? read_string(text) : read_bare(text);
  if (!value) {
    return base::format("the value of {} is neither a \"string\", an integer, true nor false", key);
  }
  const std::string_view rest = trim(value->rest);
  if (!rest.empty() && rest.front() != '#') {
    return base::format("found \"{}\" behind the value of {}", rest, key);
  }
  entry.key = key;
  entry.value = std::move(value->text);
  return {};
}

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text) {
  std::vector<TomlEntry> entries;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    TomlEntry entry{.line = number, .key = {}, .value = {}};
    const std::string problem = read_line(line, entry);
    if (!problem.empty()) {
      return Error{ErrorCode::kInvalidArgument, base::format("line {}: {}", number, problem)};
    }
    for (const TomlEntry& earlier : entries) {
      if (earlier.key != entry.key) continue;
      return Error{
          ErrorCode::kInvalidArgument,
          base::format("line {}: {} stands already in line {}", number, entry.key, earlier.line)};
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace alfheim::server
