#include "command/table.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/number.h"
#include "base/text.h"
#include "command/family.h"

namespace alfheim::command {

using base::ByteView;

namespace {

// Redis shows so much of what a client called.
constexpr size_t kShownBytesMax = 128;

// As "%.*s" prints: up to the bound, or to a NUL.
ByteView shown(ByteView word, size_t bytes_max) {
  return word.substr(0, std::min(bytes_max, word.find('\0')));
}

const Row* find_subcommand(const Row& container, ByteView word) {
  for (const Row& row : container.subcommands) {
    const ByteView name = row.name;
    const size_t bar = name.find('|');
    ALF_CHECK(bar != ByteView::npos);
    if (base::equals_ignore_case(name.substr(bar + 1), word)) return &row;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<const Table> Table::make() {
  std::vector<Row> rows;
  add_generic_rows(rows);
  add_string_rows(rows);
  add_bitmap_rows(rows);
  add_session_rows(rows);
  return std::make_unique<const Table>(std::move(rows));
}

Table::Table(std::vector<Row> rows) : storage_(std::move(rows)) {
  for (const Row& row : storage_) {
    ALF_CHECK(row.arity != 0);
    ALF_CHECK(row.handler == nullptr || !row.is_session());
    ALF_CHECK(row.handler != nullptr || row.is_session() || !row.subcommands.empty());
    for (const Row& subcommand : row.subcommands) {
      ALF_CHECK(subcommand.name.starts_with(std::string(row.name) + "|"));
      ALF_CHECK((subcommand.handler != nullptr) != subcommand.is_session());
    }
    order_.push_back(&row);
    by_name_.add(row.name, &row);
  }
}

const Row* Table::find(std::string_view name) const {
  const size_t bar = name.find('|');
  const Row* row = by_name_.find(name.substr(0, bar));
  if (row == nullptr || bar == ByteView::npos) return row;
  return find_subcommand(*row, name.substr(bar + 1));
}

const Row* Table::find(const Arguments& args) const {
  ALF_CHECK(args.count() > 0);
  const Row* row = by_name_.find(args[0]);  // a subcommand's name is no command
  if (row == nullptr || row->subcommands.empty() || args.count() < 2) return row;
  const Row* subcommand = find_subcommand(*row, args[1]);
  return subcommand != nullptr ? subcommand : row;
}

std::optional<std::string> check_call(const Row* row, const Arguments& args) {
  if (row == nullptr) {
    std::string words;
    for (size_t i = 1; i < args.count() && words.size() < kShownBytesMax; ++i) {
      const ByteView word = args.value(i).bytes;
      words += base::format("'{}' ", shown(word, kShownBytesMax - words.size()));
    }
    return base::format("unknown command '{}', with args beginning with: {}",
                        shown(args[0], kShownBytesMax), words);
  }
  if (!row->subcommands.empty() && args.count() > 1) {
    return base::format("unknown subcommand '{}'. Try {} HELP.",
                        shown(args.value(1).bytes, kShownBytesMax), base::to_upper(row->name));
  }
  const auto count = static_cast<int64_t>(args.count());
  const bool fits = row->arity > 0 ? count == row->arity : count >= -row->arity;
  if (fits) return std::nullopt;
  return base::format("wrong number of arguments for '{}' command", row->name);
}

namespace {

// Where the keys of one specification begin; 0 where they do not.
size_t first_key(const KeySpec& spec, const Arguments& args) {
  if (spec.begin_keyword == nullptr) {
    return spec.begin_index > 0 ? static_cast<size_t>(spec.begin_index) : 0;
  }
  // Forward from begin_start_from, or backward where it is negative.
  const auto count = static_cast<int64_t>(args.count());
  const bool is_forward = spec.begin_start_from > 0;
  const int64_t start = is_forward ? spec.begin_start_from : count + spec.begin_start_from;
  const int64_t end = is_forward ? count - 1 : 1;
  for (int64_t i = start; is_forward ? i <= end : i >= end; i += is_forward ? 1 : -1) {
    if (i < 0 || i >= count) break;
    if (base::equals_ignore_case(args.value(static_cast<size_t>(i)).bytes, spec.begin_keyword)) {
      return static_cast<size_t>(i) + 1;
    }
  }
  return 0;
}

struct KeyRange {
  int64_t first = 0;
  int64_t last = -1;
  int64_t step = 1;
};

KeyRange range_of(const KeySpec& spec, const Arguments& args, int64_t first) {
  const auto count = static_cast<int64_t>(args.count());
  if (!spec.is_keynum) {
    int64_t last = first + spec.last_key;
    if (spec.last_key < 0) {
      last = count + spec.last_key;
      // A limit says which part of the rest is keys (XREAD's streams: half of it).
      if (spec.last_key == -1 && spec.limit > 1) last = first + (count - first) / spec.limit - 1;
    }
    return {first, last, spec.step};
  }
  const int64_t at = first + spec.keynum_index;
  if (at >= count) return {};
  const auto number = base::parse_int64(args.value(static_cast<size_t>(at)).bytes);
  if (!number || *number < 0 || *number > count) return {};
  const int64_t begin = first + spec.first_key_after_keynum;
  return {begin, begin + (*number - 1) * spec.step, spec.step};
}

// SET and BITFIELD say in their options what they do to their key.
uint32_t flags_of(const Row& row, const KeySpec& spec, const Arguments& args) {
  if ((spec.flags & kKeyVariableFlags) == 0) return spec.flags;
  if (row.name == "set") {
    for (size_t i = 3; i < args.count(); ++i) {
      if (base::equals_ignore_case(args.value(i).bytes, "get")) {
        return kKeyRW | kKeyAccess | kKeyUpdate;
      }
    }
    return kKeyOW | kKeyUpdate;
  }
  if (row.name == "bitfield") {
    for (size_t i = 2; i < args.count(); ++i) {
      const ByteView word = args.value(i).bytes;
      const size_t left = args.count() - i - 1;
      if (base::equals_ignore_case(word, "get") && left >= 2) {
        i += 2;
      } else if ((base::equals_ignore_case(word, "set") ||
                  base::equals_ignore_case(word, "incrby")) &&
                 left >= 3) {
        return kKeyRW | kKeyAccess | kKeyUpdate;
      }
    }
    return kKeyRO | kKeyAccess;
  }
  return spec.flags & ~kKeyVariableFlags;
}

}  // namespace

std::vector<KeyUse> key_uses(const Row& row, const Arguments& args) {
  std::vector<KeyUse> uses;
  const auto count = static_cast<int64_t>(args.count());
  for (const KeySpec& spec : row.keys) {
    if (spec.is_unknown || (spec.flags & kKeyNotKey) != 0) continue;
    const size_t first = first_key(spec, args);
    if (first == 0) continue;
    const KeyRange range = range_of(spec, args, static_cast<int64_t>(first));
    if (range.last >= count || range.last < range.first || range.step < 1) continue;
    const uint32_t flags = flags_of(row, spec, args);
    for (int64_t i = range.first; i <= range.last; i += range.step) {
      uses.push_back(KeyUse{static_cast<size_t>(i), flags});
    }
  }
  return uses;
}

std::vector<size_t> key_positions(const Row& row, const Arguments& args) {
  std::vector<size_t> positions;
  for (const KeyUse& use : key_uses(row, args)) positions.push_back(use.position);
  return positions;
}

}  // namespace alfheim::command
