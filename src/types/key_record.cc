#include "types/key_record.h"

#include "base/format.h"
#include "base/text.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;
using base::Error;
using base::ErrorCode;
using base::Result;

namespace {

constexpr size_t kShownBytesMax = 24;

Error corrupt(ByteView bytes, const char* what) {
  return Error{ErrorCode::kCorruption,
               base::format("parse {}: {} bytes that begin with {}", what, bytes.size(),
                            base::to_quoted(bytes.substr(0, kShownBytesMax)))};
}

bool is_type(uint8_t type) {
  return type <= static_cast<uint8_t>(Type::kHash) || type == static_cast<uint8_t>(Type::kStream);
}

}  // namespace

void put_key_record(Bytes& out, const KeyRecord& record) {
  uint8_t flags = 0;
  if (record.deadline_ms) flags |= kFlagHasDeadline;
  if (record.is_edited) flags |= kFlagIsEdited;
  char front[3 + base::kVarintBytesMax] = {
      static_cast<char>(record.type), static_cast<char>(record.layout), static_cast<char>(flags)};
  const char* const end = base::write_varint(front + 3, record.last_write.value);
  out.append(front, static_cast<size_t>(end - front));
  if (record.deadline_ms) base::put_u64(out, *record.deadline_ms);
  out.append(record.body);
}

Result<KeyRecord> parse_key_record(ByteView bytes) {
  base::Reader reader(bytes);
  uint8_t type = 0;
  uint8_t layout = 0;
  uint8_t flags = 0;
  KeyRecord record;
  if (!reader.get_u8(type) || !reader.get_u8(layout) || !reader.get_u8(flags) ||
      !reader.get_varint(record.last_write.value)) {
    return corrupt(bytes, "key record");
  }
  if (!is_type(type) || layout > static_cast<uint8_t>(Layout::kChunked) ||
      (flags & ~(kFlagHasDeadline | kFlagIsEdited)) != 0) {
    return corrupt(bytes, "key record of a known type and layout");
  }
  record.type = static_cast<Type>(type);
  record.layout = static_cast<Layout>(layout);
  record.is_edited = (flags & kFlagIsEdited) != 0;
  if ((flags & kFlagHasDeadline) != 0) {
    uint64_t deadline_ms = 0;
    if (!reader.get_u64(deadline_ms)) return corrupt(bytes, "key record with a deadline");
    record.deadline_ms = deadline_ms;
  }
  record.body = reader.rest();
  return record;
}

Bytes encode_integer(int64_t value) {
  Bytes out;
  base::put_fixed(out, value);
  return out;
}

Bytes encode_separated(const vlog::ValueAddress& address) {
  Bytes out;
  vlog::put_address(out, address);
  return out;
}

Bytes encode_fragments(const FragmentList& list) {
  Bytes out;
  base::put_varint(out, list.skip_bytes);
  base::put_varint(out, list.length_bytes);
  base::put_varint(out, list.pieces.size());
  for (const vlog::ValueAddress& piece : list.pieces) vlog::put_address(out, piece);
  return out;
}

Bytes encode_chunked(const ChunkedBody& body) {
  Bytes out;
  base::put_u64(out, body.version.index.value);
  base::put_u32(out, body.version.mutation);
  base::put_varint(out, body.length_bytes);
  return out;
}

Result<int64_t> decode_integer(ByteView body) {
  base::Reader reader(body);
  uint64_t value = 0;
  if (!reader.get_u64(value) || !reader.is_empty()) return corrupt(body, "integer body");
  return static_cast<int64_t>(value);
}

Result<vlog::ValueAddress> decode_separated(ByteView body) {
  base::Reader reader(body);
  vlog::ValueAddress address;
  if (!vlog::get_address(reader, address) || !reader.is_empty()) {
    return corrupt(body, "address body");
  }
  return address;
}

Result<FragmentList> decode_fragments(ByteView body) {
  base::Reader reader(body);
  FragmentList list;
  uint64_t count = 0;
  if (!reader.get_varint(list.skip_bytes) || !reader.get_varint(list.length_bytes) ||
      !reader.get_varint(count) || reader.rest().size() % vlog::kAddressBytes != 0 ||
      reader.rest().size() / vlog::kAddressBytes != count) {
    return corrupt(body, "fragments body");
  }
  list.pieces.resize(count);
  uint64_t total_bytes = 0;
  for (vlog::ValueAddress& piece : list.pieces) {
    if (!vlog::get_address(reader, piece)) return corrupt(body, "fragments body");
    total_bytes += piece.length_bytes;
  }
  if (list.skip_bytes > total_bytes || list.length_bytes > total_bytes - list.skip_bytes) {
    return corrupt(body, "fragments body whose pieces hold its whole length");
  }
  return list;
}

Result<ChunkedBody> decode_chunked(ByteView body) {
  base::Reader reader(body);
  ChunkedBody chunked;
  if (!reader.get_u64(chunked.version.index.value) || !reader.get_u32(chunked.version.mutation) ||
      !reader.get_varint(chunked.length_bytes) || !reader.is_empty()) {
    return corrupt(body, "chunked body");
  }
  return chunked;
}

Result<std::vector<vlog::ValueAddress>> addresses_of(const KeyRecord& record) {
  switch (record.layout) {
    case Layout::kInline:
    case Layout::kInteger:
    case Layout::kChunked: return std::vector<vlog::ValueAddress>();
    case Layout::kSeparated: {
      ALF_TRY(const vlog::ValueAddress address, decode_separated(record.body));
      return std::vector<vlog::ValueAddress>{address};
    }
    case Layout::kFragments: {
      ALF_TRY(FragmentList list, decode_fragments(record.body));
      return std::move(list.pieces);
    }
  }
  return corrupt(record.body, "layout");
}

}  // namespace alfheim::types
