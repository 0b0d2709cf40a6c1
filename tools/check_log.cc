#include "tools/check_log.h"

#include "base/crc32c.h"
#include "base/format.h"
#include "base/text.h"
#include "machine/entry_codec.h"
#include "types/key_codec.h"
#include "vlog/segment_names.h"

namespace alfheim::tools {
namespace {

std::string segment_path(const std::string& log_dir, uint64_t segment_id) {
  return vlog::path_in(log_dir, vlog::segment_name(segment_id));
}

base::Status parse_operation(const machine::Operation& operation) {
  if ((operation.flags & machine::kOperationIsFragments) != 0) {
    ALF_TRY_STATUS(machine::parse_fragmented_body(operation.body));
    return base::ok();
  }
  if (operation.kind == machine::OperationKind::kCommand) {
    ALF_TRY_STATUS(machine::parse_call_shape(operation.body, operation.body.size()));
  } else if (operation.kind == machine::OperationKind::kBlock) {
    ALF_TRY(const machine::BlockView block, machine::parse_block(operation.body));
    for (const machine::BlockCall& call : block.calls) {
      ALF_TRY_STATUS(machine::parse_call_shape(call.body, call.body.size()));
    }
  }
  return base::ok();
}

base::Status parse_payload(const raft::Entry& entry) {
  if (entry.kind != raft::EntryKind::kCommands) return base::ok();
  ALF_TRY(machine::PayloadReader reader, machine::PayloadReader::open(entry.bytes()));
  while (reader.has_next()) {
    ALF_TRY(const machine::Operation operation, reader.next());
    ALF_TRY_STATUS(parse_operation(operation));
  }
  return base::ok();
}

// Follows the reference records, which stand in the order of the log, along the log's records.
class ValueCheck {
 public:
  ValueCheck(const std::string& log_dir, const index::StoreSnapshot& records, CheckReport& report,
             LogCounts& counts)
      : log_dir_(log_dir), report_(report), counts_(counts) {
    index::ScanOptions options;
    options.lower = base::Bytes(1, types::kKindReference);
    options.upper = base::Bytes(1, types::kKindReference + 1);
    cursor_ = records.scan(std::move(options));
    cursor_->seek(base::ByteView(&types::kKindReference, 1));
  }

  void check_entry(const vlog::InspectedRecord& record) {
    if (record.entry.index < last_index_) cursor_->seek(types::reference_begin(record.entry.index));
    last_index_ = record.entry.index;
    for (; cursor_->is_valid(); cursor_->next()) {
      vlog::ValueAddress address;
      base::ByteView owner;
      // A key that is none is check_index's to report, and an entry that is nowhere too.
      if (!types::parse_reference_key(cursor_->key(), address, owner)) continue;
      if (address.index < record.entry.index) continue;
      if (address.index > record.entry.index) return;
      check_value(record, address, owner);
    }
  }
  base::Status status() const { return cursor_->status(); }

 private:
  void check_value(const vlog::InspectedRecord& record, const vlog::ValueAddress& address,
                   base::ByteView owner) {
    ++counts_.value_count;
    counts_.value_bytes += address.length_bytes;
    const base::ByteView payload = record.entry.bytes();
    const uint64_t end = uint64_t{address.offset_bytes} + address.length_bytes;
    std::string words;
    if (end > payload.size()) {
      words = base::format("its entry has only {} bytes", payload.size());
    } else {
      const uint32_t crc = base::crc32c(payload.substr(address.offset_bytes, address.length_bytes));
      if (crc == address.crc) return;
      words = base::format("crc {:#010x} in the address, {:#010x} computed", address.crc, crc);
    }
    report_.problem(
        segment_path(log_dir_, record.segment_id), record.offset_bytes,
        base::format("value of {} at entry {} offset {} length {}: {}", base::to_quoted(owner),
                     address.index.value, address.offset_bytes, address.length_bytes, words));
  }

  const std::string& log_dir_;
  CheckReport& report_;
  LogCounts& counts_;
  std::unique_ptr<index::Cursor> cursor_;
  base::LogIndex last_index_;
};

}  // namespace

base::Status check_files(env::Disk& disk, const std::string& log_dir, CheckReport& report,
                         LogCounts& counts) {
  const auto tell = [&report](const vlog::Problem& problem) {
    if (problem.is_error) return report.problem(problem.path, problem.offset_bytes, problem.words);
    report.note(problem.path, problem.offset_bytes, problem.words);
  };
  ALF_TRY(const vlog::Inspection inspection, vlog::verify_directory(disk, log_dir, tell));
  counts.segment_count = inspection.segment_count;
  counts.record_count = inspection.record_count;
  counts.payload_bytes = inspection.payload_bytes;
  return base::ok();
}

void check_shape(const LogMap& map, const std::string& log_dir, CheckReport& report) {
  if (!map.meta()) return;  // reported with META
  base::LogIndex expected = map.meta()->log_start;
  base::Term term = map.meta()->log_start_previous_term;
  std::string before = vlog::path_in(log_dir, vlog::kMetaName);
  for (auto at = map.entries().lower_bound(expected.value); at != map.entries().end(); ++at) {
    const auto& [index, place] = *at;
    const std::string path = segment_path(log_dir, place.segment_id);
    if (index != expected.value) {
      report.problem(
          path, place.offset_bytes,
          base::format("the log goes on with entry {}, but no segment holds entries {} "
                       "to {} (the log starts at {}; before them comes {})",
                       index, expected.value, index - 1, map.meta()->log_start.value, before));
    }
    if (place.term < term) {
      report.problem(path, place.offset_bytes,
                     base::format("entry {} has term {}, the one before it {}", index,
                                  place.term.value, term.value));
    }
    expected = base::LogIndex{index + 1};
    term = place.term;
    if (before != path) before = path;
  }
  if (map.meta()->hard_state.term < term) {
    report.problem(vlog::path_in(log_dir, vlog::kMetaName), 0,
                   base::format("META's term is {}, the last entry's {}",
                                map.meta()->hard_state.term.value, term.value));
  }
}

void check_coverage(const LogMap& map, const machine::MachineState& state,
                    const std::string& log_dir, CheckReport& report) {
  if (!map.meta()) return;
  const std::string path = vlog::path_in(log_dir, vlog::kMetaName);
  const uint64_t start = map.meta()->log_start.value;
  const uint64_t last =
      map.entries().empty() ? start - 1 : std::max(start - 1, map.entries().rbegin()->first);
  if (state.applied.value > last) {
    report.problem(path, 0,
                   base::format("the index reflects entries up to {}, but the log ends at {}",
                                state.applied.value, last));
  }
  if (state.applied.value + 1 < start) {
    report.problem(path, 0,
                   base::format("the index reflects entries up to {}, but the log starts at {}",
                                state.applied.value, start));
  }
  const EntryPlace* place = map.find(state.applied);
  std::optional<base::Term> term;
  if (place != nullptr) term = place->term;
  if (state.applied.value + 1 == start) term = map.meta()->log_start_previous_term;
  if (term && *term != state.applied_term) {
    report.problem(path, 0,
                   base::format("entry {} was applied in term {}, but the log says term {}",
                                state.applied.value, state.applied_term.value, term->value));
  }
}

base::Status check_values(env::Disk& disk, const std::string& log_dir, const LogMap& map,
                          const index::StoreSnapshot& records, CheckReport& report,
                          LogCounts& counts) {
  ValueCheck values(log_dir, records, report, counts);
  uint64_t record_count = 0;
  base::Stamp stamp;
  const auto visit = [&](const vlog::InspectedRecord& record) {
    report.progress("log records read", ++record_count);
    if (!map.holds(record)) return true;
    const std::string path = segment_path(log_dir, record.segment_id);
    const base::Status parsed = parse_payload(record.entry);
    if (!parsed) report.problem(path, record.offset_bytes, parsed.error().message);
    if (record.entry.kind == raft::EntryKind::kCommands) {
      if (record.entry.stamp < stamp) {
        report.problem(path, record.offset_bytes,
                       base::format("entry {} is stamped {} ms, an earlier one {} ms",
                                    record.entry.index.value, record.entry.stamp.ms, stamp.ms));
      }
      stamp = std::max(stamp, record.entry.stamp);
    }
    values.check_entry(record);
    return true;
  };
  // Bad batches were reported by check_files.
  ALF_TRY_STATUS(vlog::for_each_record(disk, log_dir, visit, [](const vlog::Problem&) {}));
  const base::Status walked = values.status();
  if (!walked && walked.error().code != base::ErrorCode::kCorruption) return walked;
  return base::ok();  // a corrupt store was reported by check_index
}

}  // namespace alfheim::tools
