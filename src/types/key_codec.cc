#include "types/key_codec.h"

#include "base/check.h"
#include "base/slot.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;

void put_key_record_key(Bytes& out, Epoch epoch, ByteView user_key) {
  char prefix[kKeyPrefixBytes];
  prefix[0] = kKindKey;
  const uint32_t epoch_be = __builtin_bswap32(epoch.value);
  const uint16_t slot_be = __builtin_bswap16(base::key_slot(user_key));
  std::memcpy(prefix + 1, &epoch_be, sizeof epoch_be);
  std::memcpy(prefix + 1 + sizeof epoch_be, &slot_be, sizeof slot_be);
  out.reserve(out.size() + kKeyPrefixBytes + user_key.size());
  out.append(prefix, kKeyPrefixBytes);
  out.append(user_key);
}

Bytes key_record_key(Epoch epoch, ByteView user_key) {
  Bytes out;
  put_key_record_key(out, epoch, user_key);
  return out;
}

Bytes database_begin(Epoch epoch) {
  Bytes out(1, kKindKey);
  base::put_u32_be(out, epoch.value);
  return out;
}

Bytes slot_begin(Epoch epoch, uint16_t slot) {
  Bytes out = database_begin(epoch);
  base::put_u16_be(out, slot);
  return out;
}

Bytes database_end(Epoch epoch) {
  if (epoch.value == UINT32_MAX) return Bytes(1, static_cast<char>(kKindKey + 1));
  return database_begin(Epoch{epoch.value + 1});
}

bool parse_key_record_key(ByteView record_key, Epoch& epoch, uint16_t& slot, ByteView& user_key) {
  base::Reader reader(record_key);
  uint8_t kind = 0;
  if (!reader.get_u8(kind) || kind != static_cast<uint8_t>(kKindKey)) return false;
  if (!reader.get_u32_be(epoch.value) || !reader.get_u16_be(slot)) return false;
  user_key = reader.rest();
  return true;
}

namespace {

void put_version(Bytes& out, const Version& version) {
  base::put_u64_be(out, version.index.value);
  base::put_u32_be(out, version.mutation);
}

bool get_version(base::Reader& reader, Version& version) {
  return reader.get_u64_be(version.index.value) && reader.get_u32_be(version.mutation);
}

bool get_kind(base::Reader& reader, char kind) {
  uint8_t found = 0;
  return reader.get_u8(found) && found == static_cast<uint8_t>(kind);
}

}  // namespace

Bytes chunk_key(const Version& version, uint32_t chunk_number) {
  Bytes out(1, kKindChunk);
  put_version(out, version);
  base::put_u32_be(out, chunk_number);
  return out;
}

bool parse_chunk_key(ByteView key, Version& version, uint32_t& chunk_number) {
  base::Reader reader(key);
  return get_kind(reader, kKindChunk) && get_version(reader, version) &&
         reader.get_u32_be(chunk_number) && reader.is_empty();
}

Bytes version_key(const Version& version) {
  Bytes out(1, kKindVersion);
  put_version(out, version);
  return out;
}

bool parse_version_key(ByteView key, Version& version) {
  base::Reader reader(key);
  return get_kind(reader, kKindVersion) && get_version(reader, version) && reader.is_empty();
}

Bytes reference_key(const vlog::ValueAddress& address, ByteView owner_record_key) {
  Bytes out;
  out.reserve(1 + vlog::kAddressBytes + owner_record_key.size());
  out.push_back(kKindReference);
  vlog::put_address(out, address);
  out.append(owner_record_key);
  return out;
}

Bytes reference_begin(base::LogIndex index) {
  Bytes out(1, kKindReference);
  base::put_u64_be(out, index.value);
  return out;
}

bool parse_reference_key(ByteView key, vlog::ValueAddress& address, ByteView& owner_record_key) {
  base::Reader reader(key);
  if (!get_kind(reader, kKindReference) || !vlog::get_address(reader, address)) return false;
  owner_record_key = reader.rest();
  return true;
}

Bytes expiry_key(uint64_t deadline_ms, ByteView record_key) {
  ALF_CHECK(record_key.size() >= kKeyPrefixBytes);
  Bytes out;
  out.reserve(1 + kEpochBytes + sizeof deadline_ms + record_key.size());
  out.push_back(kKindExpiry);
  out.append(record_key.substr(1, kEpochBytes));
  base::put_u64_be(out, deadline_ms);
  out.append(record_key);
  return out;
}

Bytes expiry_begin(Epoch epoch) {
  Bytes out(1, kKindExpiry);
  base::put_u32_be(out, epoch.value);
  return out;
}

bool parse_expiry_key(ByteView key, uint64_t& deadline_ms, ByteView& record_key) {
  base::Reader reader(key);
  uint32_t epoch = 0;
  if (!get_kind(reader, kKindExpiry) || !reader.get_u32_be(epoch) ||
      !reader.get_u64_be(deadline_ms)) {
    return false;
  }
  record_key = reader.rest();
  // Said twice; a key in which the two differ was never written.
  return record_key.size() >= kKeyPrefixBytes &&
         record_key.substr(1, kEpochBytes) == key.substr(1, kEpochBytes);
}

Bytes meta_key(ByteView name) {
  Bytes out(1, kKindMeta);
  out.append(name);
  return out;
}

}  // namespace alfheim::types
