#include "machine/state.h"

#include "base/check.h"
#include "base/format.h"

namespace alfheim::machine {

base::Bytes MachineState::encode() const {
  ALF_CHECK(databases.next_epoch > base::kDatabaseCount);
  // Written with every entry, so the numbers are put together without an append for each.
  constexpr size_t kNumbers = 5 + 4 * base::kDatabaseCount;
  char numbers[1 + kNumbers * base::kVarintBytesMax];
  char* end = numbers;
  *end++ = static_cast<char>(kStateVersion);
  for (const uint64_t number : {applied.value, applied_term.value, log_time.ms,
                                uint64_t{feature_level}, uint64_t{databases.next_epoch}}) {
    end = base::write_varint(end, number);
  }
  for (const types::DatabaseEntry& database : databases.databases) {
    end = base::write_varint(end, database.epoch.value);
    end = base::write_varint(end, database.key_count);
    end = base::write_varint(end, database.deadline_count);
    end = base::write_varint(end, database.last_swap.value);
  }
  base::Bytes out;
  out.reserve(static_cast<size_t>(end - numbers) + base::kVarintBytesMax + configuration.size());
  out.append(numbers, static_cast<size_t>(end - numbers));
  base::put_prefixed(out, configuration);
  return out;
}

base::Result<MachineState> MachineState::decode(base::ByteView bytes) {
  const auto malformed = [&](std::string_view what) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("decode machine state of {} bytes: {}", bytes.size(), what)};
  };
  base::Reader reader(bytes);
  uint8_t version = 0;
  if (!reader.get_u8(version)) return malformed("empty");
  if (version != kStateVersion) {
    return malformed(base::format("version {} found, {} expected", version, kStateVersion));
  }
  MachineState state;
  for (types::DatabaseEntry& database : state.databases.databases) database.epoch = {};
  uint64_t feature_level = 0;
  uint64_t next_epoch = 0;
  if (!reader.get_varint(state.applied.value) || !reader.get_varint(state.applied_term.value) ||
      !reader.get_varint(state.log_time.ms) || !reader.get_varint(feature_level) ||
      !reader.get_varint(next_epoch)) {
    return malformed("cut short");
  }
  if (feature_level > kFeatureLevel) {
    return malformed(base::format("feature level {} found, this release knows up to {}",
                                  feature_level, kFeatureLevel));
  }
  if (next_epoch > UINT32_MAX) return malformed("more epochs than can be given");
  state.feature_level = static_cast<uint32_t>(feature_level);
  state.databases.next_epoch = static_cast<uint32_t>(next_epoch);
  for (types::DatabaseEntry& database : state.databases.databases) {
    uint64_t epoch = 0;
    if (!reader.get_varint(epoch) || !reader.get_varint(database.key_count) ||
        !reader.get_varint(database.deadline_count) ||
        !reader.get_varint(database.last_swap.value)) {
      return malformed("database table is cut short");
    }
    if (epoch == 0 || epoch >= next_epoch) return malformed("an epoch that was never given");
    if (database.deadline_count > database.key_count) return malformed("more deadlines than keys");
    if (state.databases.is_live(types::Epoch{static_cast<uint32_t>(epoch)})) {
      return malformed(base::format("two databases have epoch {}", epoch));
    }
    database.epoch = types::Epoch{static_cast<uint32_t>(epoch)};
  }
  base::ByteView configuration;
  if (!reader.get_prefixed(configuration) || !reader.is_empty()) {
    return malformed("configuration is cut short");
  }
  state.configuration = base::Bytes(configuration);
  return state;
}

base::Result<MachineState> MachineState::read(types::RecordSource& records) {
  base::Bytes scratch;
  ALF_TRY(const std::optional<base::ByteView> record,
          records.get(types::meta_key(kStateRecordName), scratch));
  if (!record) return MachineState();
  return decode(*record);
}

}  // namespace alfheim::machine
