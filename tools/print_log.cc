#include "tools/print_log.h"

#include <chrono>

#include "base/format.h"
#include "base/text.h"
#include "machine/entry_codec.h"
#include "tools/data_directory.h"
#include "tools/log_map.h"

namespace alfheim::tools {
namespace {

using base::ByteView;

constexpr size_t kOperationBytesShown = 100;

// UTC, without a locale.
std::string time_text(base::Stamp stamp) {
  namespace chrono = std::chrono;
  constexpr uint64_t kLastMs = 253'402'300'799'999;  // the end of year 9999
  if (stamp.ms > kLastMs) return "(beyond year 9999)";
  const chrono::sys_time<chrono::milliseconds> time{chrono::milliseconds(stamp.ms)};
  const auto day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(time - day);
  return base::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()),
                      unsigned(date.month()), unsigned(date.day()), clock.hours().count(),
                      clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

const char* kind_name(raft::EntryKind kind) {
  switch (kind) {
    case raft::EntryKind::kNoop: return "noop";
    case raft::EntryKind::kConfiguration: return "configuration";
    case raft::EntryKind::kCommands: return "commands";
    case raft::EntryKind::kFragment: return "fragment";
  }
  return "unknown";
}

std::string cut(std::string text, bool has_values) {
  if (has_values || text.size() <= kOperationBytesShown) return text;
  const size_t left_bytes = text.size() - kOperationBytesShown;
  text.resize(kOperationBytesShown);
  return text + base::format("... ({} more)", left_bytes);
}

// What is shown of a long word must not cost what the whole word would.
std::string word_text(ByteView word, bool has_values) {
  if (has_values || word.size() <= kOperationBytesShown) return base::to_quoted(word);
  return base::to_quoted(word.substr(0, kOperationBytesShown)) +
         base::format("({} bytes)", word.size());
}

std::string call_text(ByteView body, bool has_values) {
  const base::Result<machine::CallShape> shape = machine::parse_call_shape(body, body.size());
  if (!shape.is_ok()) return "BAD: " + shape.error().message;
  std::string text;
  if (shape->database.value != 0) text = base::format("db={} ", shape->database.value);
  uint64_t at = shape->words_offset_bytes;
  for (size_t i = 0; i < shape->word_bytes.size(); ++i) {
    if (i > 0) text += ' ';
    text += word_text(body.substr(at, shape->word_bytes[i]), has_values);
    at += shape->word_bytes[i];
    if (!has_values && text.size() > kOperationBytesShown) break;
  }
  return cut(std::move(text), has_values);
}

std::string block_text(ByteView body, bool has_values) {
  const base::Result<machine::BlockView> block = machine::parse_block(body);
  if (!block.is_ok()) return "BAD: " + block.error().message;
  std::string text = "MULTI";
  for (const machine::Watch& watch : block->watches) {
    text += base::format(" watch({} db={} version={})", word_text(watch.key, has_values),
                         watch.database.value, watch.version.value);
  }
  for (const machine::BlockCall& call : block->calls) {
    text += " { " + call_text(call.body, has_values) + " }";
  }
  return text + " EXEC";
}

std::string fragmented_text(const machine::Operation& operation) {
  const base::Result<types::FragmentList> list = machine::parse_fragmented_body(operation.body);
  if (!list.is_ok()) return "BAD: " + list.error().message;
  std::string text = base::format(
      "{} of {} bytes in fragments",
      operation.kind == machine::OperationKind::kBlock ? "block" : "command", list->length_bytes);
  for (const vlog::ValueAddress& piece : list->pieces) {
    text += base::format(" {}+{}", piece.index.value, piece.length_bytes);
  }
  return text;
}

std::string operation_text(const machine::Operation& operation, bool has_values) {
  std::string text;
  if ((operation.flags & machine::kOperationIsRead) != 0) text = "(read) ";
  if (operation.kind == machine::OperationKind::kStateHash) return text + "RAFT HASH";
  if ((operation.flags & machine::kOperationIsFragments) != 0) {
    return text + fragmented_text(operation);
  }
  if (operation.kind == machine::OperationKind::kBlock) {
    return text + block_text(operation.body, has_values);
  }
  return text + call_text(operation.body, has_values);
}

std::string payload_text(ByteView payload, bool has_values) {
  if (payload.empty()) return " tick";
  base::Result<machine::PayloadReader> reader = machine::PayloadReader::open(payload);
  if (!reader.is_ok()) return " BAD: " + reader.error().message;
  std::string text;
  while (reader->has_next()) {
    const base::Result<machine::Operation> operation = reader->next();
    if (!operation.is_ok()) return text + " | BAD: " + operation.error().message;
    text += " | " + operation_text(*operation, has_values);
  }
  return text;
}

}  // namespace

std::string entry_text(const raft::Entry& entry, bool has_values) {
  std::string text = base::format("{} term={} {} {} ({} ms) seed={:#x} bytes={}", entry.index.value,
                                  entry.term.value, kind_name(entry.kind), time_text(entry.stamp),
                                  entry.stamp.ms, entry.seed, entry.bytes().size());
  if (entry.kind == raft::EntryKind::kCommands) text += payload_text(entry.bytes(), has_values);
  return text;
}

base::Result<uint64_t> print_log(env::Disk& disk, const std::string& dir,
                                 const PrintOptions& options,
                                 const std::function<void(const std::string& line)>& print) {
  ALF_TRY(const DataDirectory data, DataDirectory::hold(disk, dir));
  ALF_TRY(const LogMap map, LogMap::read(disk, data.log_dir()));
  uint64_t printed_count = 0;
  uint64_t bad_count = 0;
  const auto visit = [&](const vlog::InspectedRecord& record) {
    const uint64_t index = record.entry.index.value;
    if (index < options.from || index > options.to) return true;
    if (printed_count == options.limit) return false;
    ++printed_count;
    std::string line = entry_text(record.entry, options.has_values);
    if (record.is_copied) line += " [copied]";
    // A copy of a tail takes the place of the record it was made from.
    if (!map.holds(record)) line += " [truncated or replaced]";
    print(line);
    return true;
  };
  const auto report = [&](const vlog::Problem& problem) {
    if (!problem.is_error) return;  // where an open segment's data end
    ++bad_count;
    print(base::format("BAD {}:{}: {}", problem.path, problem.offset_bytes, problem.words));
  };
  ALF_TRY_STATUS(vlog::for_each_record(disk, data.log_dir(), visit, report));
  return bad_count;
}

}  // namespace alfheim::tools
