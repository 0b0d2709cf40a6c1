// Fuzzes what stands in the index and beside it: keys and key records (types), the state record
// (machine), and a Raft configuration, which is a part of both.
#include <vector>

#include "base/check.h"
#include "base/slot.h"
#include "machine/state.h"
#include "raft/configuration.h"
#include "tests/fuzz/fuzz_input.h"
#include "types/key_codec.h"
#include "types/key_record.h"

namespace alfheim::fuzz {
namespace {

using base::ByteView;

void decode_bodies(ByteView body) {
  if (const auto value = types::decode_integer(body); value.is_ok()) {
    ALF_CHECK(types::encode_integer(*value) == body);
  }
  if (const auto address = types::decode_separated(body); address.is_ok()) {
    ALF_CHECK(types::encode_separated(*address) == body);
  }
  if (const auto list = types::decode_fragments(body); list.is_ok()) {
    const auto again = types::decode_fragments(types::encode_fragments(*list));
    ALF_CHECK(again.is_ok());
    ALF_CHECK(again->pieces == list->pieces);
    ALF_CHECK(again->skip_bytes == list->skip_bytes);
    ALF_CHECK(again->length_bytes == list->length_bytes);
  }
  if (const auto chunked = types::decode_chunked(body); chunked.is_ok()) {
    const auto again = types::decode_chunked(types::encode_chunked(*chunked));
    ALF_CHECK(again.is_ok());
    ALF_CHECK(again->version == chunked->version);
    ALF_CHECK(again->length_bytes == chunked->length_bytes);
  }
}

void decode_record(ByteView bytes) {
  const auto record = types::parse_key_record(bytes);
  if (!record.is_ok()) {
    ALF_CHECK(record.error().code == base::ErrorCode::kCorruption);
    return;
  }
  decode_bodies(record->body);
  static_cast<void>(types::addresses_of(*record).is_ok());
  base::Bytes again;
  types::put_key_record(again, *record);
  const auto second = types::parse_key_record(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->type == record->type);
  ALF_CHECK(second->layout == record->layout);
  ALF_CHECK(second->is_edited == record->is_edited);
  ALF_CHECK(second->last_write == record->last_write);
  ALF_CHECK(second->deadline_ms == record->deadline_ms);
  ALF_CHECK(second->body == record->body);
}

// Keys have one form each: what is parsed is built again to the same bytes.
void parse_keys(ByteView key) {
  types::Epoch epoch;
  types::Version version;
  vlog::ValueAddress address;
  uint16_t slot = 0;
  uint32_t chunk_number = 0;
  uint64_t deadline_ms = 0;
  ByteView rest;
  if (types::parse_key_record_key(key, epoch, slot, rest) && slot == base::key_slot(rest)) {
    ALF_CHECK(types::key_record_key(epoch, rest) == key);
    ALF_CHECK(types::slot_begin(epoch, slot) <= key);
    ALF_CHECK(types::database_end(epoch) > key);
  }
  if (types::parse_chunk_key(key, version, chunk_number)) {
    ALF_CHECK(types::chunk_key(version, chunk_number) == key);
  }
  if (types::parse_version_key(key, version)) ALF_CHECK(types::version_key(version) == key);
  if (types::parse_reference_key(key, address, rest)) {
    ALF_CHECK(types::reference_key(address, rest) == key);
    ALF_CHECK(types::reference_begin(address.index) <= key);
  }
  if (types::parse_expiry_key(key, deadline_ms, rest)) {
    ALF_CHECK(types::expiry_key(deadline_ms, rest) == key);
  }
}

void decode_state(ByteView bytes) {
  const auto state = machine::MachineState::decode(bytes);
  if (!state.is_ok()) {
    ALF_CHECK(state.error().code == base::ErrorCode::kCorruption);
    return;
  }
  // Its numbers may be written longer than need be, so bytes are compared from here on.
  const base::Bytes again = state->encode();
  const auto second = machine::MachineState::decode(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->encode() == again);
  ALF_CHECK(second->applied == state->applied);
  ALF_CHECK(second->applied_term == state->applied_term);
  ALF_CHECK(second->log_time == state->log_time);
  ALF_CHECK(second->configuration == state->configuration);
}

void decode_configuration(ByteView bytes) {
  const auto configuration = raft::decode_configuration(bytes);
  if (!configuration.is_ok()) return;
  ALF_CHECK(raft::check_configuration(*configuration).is_ok());
  const auto second = raft::decode_configuration(raft::encode_configuration(*configuration));
  ALF_CHECK(second.is_ok());
  ALF_CHECK(*second == *configuration);
  for (const base::NodeId id : configuration->everybody()) ALF_CHECK(configuration->is_member(id));
}

}  // namespace
}  // namespace alfheim::fuzz

// Each input goes through every decoder: their first bytes differ, so each takes its own.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  const base::ByteView bytes(reinterpret_cast<const char*>(data), size);
  fuzz::decode_record(bytes);
  fuzz::decode_bodies(bytes);
  fuzz::parse_keys(bytes);
  fuzz::decode_state(bytes);
  fuzz::decode_configuration(bytes);
  return 0;
}
