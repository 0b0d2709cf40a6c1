#include "tools/check.h"

#include "base/format.h"
#include "index/rocks_store.h"
#include "tools/data_directory.h"
#include "types/key_codec.h"

namespace alfheim::tools {
namespace {

// Nullopt where the store is so bad that nothing can be read from it: reported.
base::Result<std::unique_ptr<index::RocksStore>> open_store(const std::string& index_dir,
                                                            CheckReport& report) {
  index::RocksStore::Options options;
  options.dir = index_dir;
  options.is_read_only = true;
  auto store = index::RocksStore::open(options);
  if (store.is_ok()) return store;
  report.problem(index_dir, 0, store.error().message);
  return std::unique_ptr<index::RocksStore>();
}

base::Result<std::optional<machine::MachineState>> read_state(const index::StoreSnapshot& records,
                                                              const std::string& index_dir,
                                                              CheckReport& report) {
  base::Bytes scratch;
  const auto bytes =
      records.get(types::meta_key(machine::kStateRecordName), env::ReadMode::kMayBlock, scratch);
  if (bytes.is_ok() && !*bytes)
    return std::optional<machine::MachineState>(machine::MachineState());
  base::Result<machine::MachineState> state =
      bytes.is_ok() ? machine::MachineState::decode(**bytes) : base::Error(bytes.error());
  if (state.is_ok()) return std::optional<machine::MachineState>(std::move(state).value());
  if (state.error().code != base::ErrorCode::kCorruption) return std::move(state).error();
  report.problem(index_dir, 0, state.error().message);
  return std::optional<machine::MachineState>();
}

base::Status check_store(env::Disk& disk, const DataDirectory& data, const LogMap& map,
                         CheckReport& report, CheckSummary& summary) {
  ALF_TRY(const std::unique_ptr<index::RocksStore> store, open_store(data.index_dir(), report));
  if (store == nullptr) return base::ok();
  ALF_TRY_STATUS(store->verify_files(
      [&report](const std::string& path, uint64_t offset_bytes, const std::string& words) {
        report.problem(path, offset_bytes, words);
      }));
  const std::shared_ptr<const index::StoreSnapshot> records = store->snapshot();
  ALF_TRY(const std::optional<machine::MachineState> state,
          read_state(*records, data.index_dir(), report));
  if (!state) return base::ok();
  summary.applied = state->applied;
  if (state->applied.value != store->persisted_applied()) {
    report.problem(data.index_dir(), 0,
                   base::format("the state says that {} is applied, the store {}",
                                state->applied.value, store->persisted_applied()));
  }
  check_coverage(map, *state, data.log_dir(), report);
  ALF_TRY_STATUS(check_index(*records, *state, map, data.index_dir(), report, summary.index));
  return check_values(disk, data.log_dir(), map, *records, report, summary.log);
}

}  // namespace

std::string CheckSummary::to_text() const {
  return base::format(
      "{}: {} problems; log: {} segments, {} records, {} payload bytes; index: applied {}, {} "
      "records, {} keys, {} orphans; values read: {} of {} bytes",
      problem_count == 0 ? "clean" : "NOT CLEAN", problem_count, log.segment_count,
      log.record_count, log.payload_bytes, applied.value, index.record_count, index.key_count,
      index.orphan_count, log.value_count, log.value_bytes);
}

base::Result<CheckSummary> check_directory(env::Disk& disk, const std::string& dir,
                                           CheckReport& report) {
  ALF_TRY(const DataDirectory data, DataDirectory::hold(disk, dir));
  CheckSummary summary;
  ALF_TRY_STATUS(check_files(disk, data.log_dir(), report, summary.log));
  ALF_TRY(const LogMap map, LogMap::read(disk, data.log_dir()));
  check_shape(map, data.log_dir(), report);
  ALF_TRY_STATUS(check_store(disk, data, map, report, summary));
  summary.problem_count = report.problem_count();
  return summary;
}

}  // namespace alfheim::tools
