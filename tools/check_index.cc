#include "tools/check_index.h"

#include <array>

#include "base/format.h"
#include "base/text.h"
#include "types/key_codec.h"
#include "types/key_record.h"

namespace alfheim::tools {
namespace {

using base::ByteView;
using types::KeyRecord;

class IndexCheck {
 public:
  IndexCheck(const index::StoreSnapshot& records, const machine::MachineState& state,
             const LogMap& map, const std::string& index_dir, CheckReport& report,
             IndexCounts& counts)
      : records_(records),
        state_(state),
        map_(map),
        index_dir_(index_dir),
        report_(report),
        counts_(counts) {}

  base::Status run() {
    const std::unique_ptr<index::Cursor> cursor = records_.scan({});
    for (cursor->seek(ByteView("\x01", 1)); cursor->is_valid(); cursor->next()) {
      report_.progress("index records read", ++counts_.record_count);
      const base::Status checked = check_record(cursor->key(), cursor->value());
      if (checked) continue;
      if (checked.error().code != base::ErrorCode::kCorruption) return checked;
      complain(cursor->key(), checked.error().message);
    }
    const base::Status walked = cursor->status();
    if (!walked) {
      if (walked.error().code != base::ErrorCode::kCorruption) return walked;
      report_.problem(index_dir_, 0, walked.error().message);
      return base::ok();  // the counts cannot be compared
    }
    compare_counts();
    return base::ok();
  }

 private:
  void complain(ByteView key, const std::string& words) {
    report_.problem(index_dir_, 0, base::format("record {}: {}", base::to_quoted(key), words));
  }

  base::Status check_record(ByteView key, ByteView value) {
    switch (key.front()) {
      case types::kKindKey: return check_key(key, value);
      case types::kKindMeta:
        if (key != types::meta_key(machine::kStateRecordName)) complain(key, "unknown meta record");
        return base::ok();
      case types::kKindReference: return check_reference(key, value);
      case types::kKindVersion: return check_version(key, value);
      case types::kKindExpiry: return check_expiry(key, value);
      case types::kKindChunk: return check_chunk(key, value);
      default: complain(key, "of an unknown kind"); return base::ok();
    }
  }

  // The database whose record this is; nullopt where it is dead, or its key is none.
  std::optional<base::DatabaseIndex> database_of(ByteView record_key, ByteView shown) {
    types::Epoch epoch;
    uint16_t slot = 0;
    ByteView user_key;
    if (!types::parse_key_record_key(record_key, epoch, slot, user_key)) {
      complain(shown, "it names no key record");
      return std::nullopt;
    }
    if (types::key_record_key(epoch, user_key) != record_key) {
      complain(shown, base::format("slot {} is not the key's", slot));
    }
    const auto database = state_.databases.database_of(epoch);
    if (!database && epoch.value >= state_.databases.next_epoch) {
      complain(shown, base::format("epoch {} was never given", epoch.value));
    } else if (!database) {
      ++counts_.orphan_count;
    }
    return database;
  }

  base::Result<std::optional<base::Bytes>> get(ByteView key) const {
    base::Bytes scratch;
    ALF_TRY(const std::optional<ByteView> found,
            records_.get(key, env::ReadMode::kMayBlock, scratch));
    if (!found) return std::optional<base::Bytes>();
    return std::optional<base::Bytes>(base::Bytes(*found));
  }

  base::Status expect(ByteView owner, ByteView key, ByteView value, const char* what) {
    ALF_TRY(const std::optional<base::Bytes> found, get(key));
    if (!found) {
      complain(owner, base::format("its {} record {} is missing", what, base::to_quoted(key)));
    } else if (*found != value) {
      complain(owner, base::format("its {} record {} says {}", what, base::to_quoted(key),
                                   base::to_quoted(*found)));
    }
    return base::ok();
  }

  base::Status check_key(ByteView key, ByteView value) {
    ALF_TRY(const KeyRecord record, types::parse_key_record(value));
    ALF_TRY(const std::vector<vlog::ValueAddress> addresses, types::addresses_of(record));
    const std::optional<base::DatabaseIndex> database = database_of(key, key);
    if (!database) return base::ok();
    ++counts_.key_count;
    ++key_counts_[database->value];
    if (record.last_write > state_.applied) {
      complain(key, base::format("written by entry {}, but only {} is applied",
                                 record.last_write.value, state_.applied.value));
    }
    if (record.deadline_ms) {
      ++deadline_counts_[database->value];
      ALF_TRY_STATUS(expect(key, types::expiry_key(*record.deadline_ms, key), {}, "expiry"));
    }
    for (const vlog::ValueAddress& address : addresses) {
      ALF_TRY_STATUS(expect(key, types::reference_key(address, key), {}, "reference"));
      check_address(key, address);
    }
    if (record.layout == types::Layout::kInteger) {
      ALF_TRY_STATUS(types::decode_integer(record.body));
    }
    if (record.layout == types::Layout::kChunked) {
      ALF_TRY(const types::ChunkedBody body, types::decode_chunked(record.body));
      ALF_TRY_STATUS(expect(key, types::version_key(body.version), key, "version"));
    }
    return base::ok();
  }

  // That its bytes are good is for the walk over the log to see.
  void check_address(ByteView key, const vlog::ValueAddress& address) {
    const EntryPlace* place = map_.find(address.index);
    if (place == nullptr) {
      complain(key, base::format("its value stands in entry {}, which no segment holds",
                                 address.index.value));
    } else if (uint64_t{address.offset_bytes} + address.length_bytes > place->payload_bytes) {
      complain(key, base::format("its value reaches beyond entry {} of {} bytes",
                                 address.index.value, place->payload_bytes));
    }
  }

  // The record of a live key; nullopt is reported.
  base::Result<std::optional<base::Bytes>> owner_of(ByteView owner, ByteView shown) {
    ALF_TRY(std::optional<base::Bytes> found, get(owner));
    if (!found) complain(shown, "its key is gone");
    return found;
  }

  base::Status check_reference(ByteView key, ByteView value) {
    vlog::ValueAddress address;
    ByteView owner;
    if (!types::parse_reference_key(key, address, owner)) {
      complain(key, "it is no reference");
      return base::ok();
    }
    if (!value.empty()) complain(key, "a reference has no value");
    if (!database_of(owner, key)) return base::ok();
    ALF_TRY(const std::optional<base::Bytes> bytes, owner_of(owner, key));
    if (!bytes) return base::ok();
    ALF_TRY(const KeyRecord record, types::parse_key_record(*bytes));
    ALF_TRY(const std::vector<vlog::ValueAddress> addresses, types::addresses_of(record));
    for (const vlog::ValueAddress& held : addresses) {
      if (held == address) return base::ok();
    }
    complain(key, "its key no longer holds the address");
    return base::ok();
  }

  base::Status check_version(ByteView key, ByteView owner) {
    types::Version version;
    if (!types::parse_version_key(key, version)) {
      complain(key, "it is no version");
      return base::ok();
    }
    if (!database_of(owner, key)) return base::ok();
    ALF_TRY(const std::optional<base::Bytes> bytes, owner_of(owner, key));
    if (!bytes) return base::ok();
    ALF_TRY(const KeyRecord record, types::parse_key_record(*bytes));
    if (record.layout == types::Layout::kChunked) {
      ALF_TRY(const types::ChunkedBody body, types::decode_chunked(record.body));
      if (body.version == version) return base::ok();
    }
    complain(key, "its key no longer has this version");
    return base::ok();
  }

  base::Status check_expiry(ByteView key, ByteView value) {
    uint64_t deadline_ms = 0;
    ByteView owner;
    if (!types::parse_expiry_key(key, deadline_ms, owner)) {
      complain(key, "it is no expiry record");
      return base::ok();
    }
    if (!value.empty()) complain(key, "an expiry record has no value");
    if (!database_of(owner, key)) return base::ok();
    ALF_TRY(const std::optional<base::Bytes> bytes, owner_of(owner, key));
    if (!bytes) return base::ok();
    ALF_TRY(const KeyRecord record, types::parse_key_record(*bytes));
    if (record.deadline_ms != deadline_ms) complain(key, "its key has another deadline");
    return base::ok();
  }

  base::Status check_chunk(ByteView key, ByteView value) {
    types::Version version;
    uint32_t number = 0;
    if (!types::parse_chunk_key(key, version, number)) {
      complain(key, "it is no chunk");
      return base::ok();
    }
    if (value.size() > types::kChunkBytes) {
      complain(key,
               base::format("{} bytes, expected at most {}", value.size(), types::kChunkBytes));
    }
    ALF_TRY(const std::optional<base::Bytes> owner, get(types::version_key(version)));
    if (!owner) {  // left behind by a long string that went
      ++counts_.orphan_count;
      return base::ok();
    }
    if (!database_of(*owner, key)) return base::ok();
    ALF_TRY(const std::optional<base::Bytes> bytes, owner_of(*owner, key));
    if (!bytes) return base::ok();
    ALF_TRY(const KeyRecord record, types::parse_key_record(*bytes));
    if (record.layout != types::Layout::kChunked) return base::ok();  // its version tells of it
    ALF_TRY(const types::ChunkedBody body, types::decode_chunked(record.body));
    if (uint64_t{number} * types::kChunkBytes + value.size() > body.length_bytes) {
      complain(key, base::format("it reaches beyond the string's {} bytes", body.length_bytes));
    }
    return base::ok();
  }

  void compare_counts() {
    for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
      const types::DatabaseEntry& said = state_.databases.databases[i];
      if (said.key_count != key_counts_[i]) {
        report_.problem(index_dir_, 0,
                        base::format("database {}: the state counts {} keys, there are {}", i,
                                     said.key_count, key_counts_[i]));
      }
      if (said.deadline_count != deadline_counts_[i]) {
        report_.problem(index_dir_, 0,
                        base::format("database {}: the state counts {} deadlines, there are {}", i,
                                     said.deadline_count, deadline_counts_[i]));
      }
    }
  }

  const index::StoreSnapshot& records_;
  const machine::MachineState& state_;
  const LogMap& map_;
  const std::string& index_dir_;
  CheckReport& report_;
  IndexCounts& counts_;
  std::array<uint64_t, base::kDatabaseCount> key_counts_{};
  std::array<uint64_t, base::kDatabaseCount> deadline_counts_{};
};

}  // namespace

base::Status check_index(const index::StoreSnapshot& records, const machine::MachineState& state,
                         const LogMap& map, const std::string& index_dir, CheckReport& report,
                         IndexCounts& counts) {
  return IndexCheck(records, state, map, index_dir, report, counts).run();
}

}  // namespace alfheim::tools
