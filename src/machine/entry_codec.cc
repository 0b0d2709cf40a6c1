#include "machine/entry_codec.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "machine/pieces.h"

namespace alfheim::machine {
namespace {

using base::Error;
using base::ErrorCode;

// Seven bits a byte, at least one byte.
size_t varint_bytes(uint64_t value) {
  return value < 0x80 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

Error malformed(std::string_view what, size_t offset_bytes) {
  return Error{ErrorCode::kCorruption,
               base::format("decode entry payload at offset_bytes={}: {}", offset_bytes, what)};
}

// What stands in front of a call's words.
struct Front {
  base::DatabaseIndex database;
  uint64_t words_offset_bytes = 0;
};

// Reads it from `prefix`, which may be only the beginning of a body of `body_bytes`: tells
// `on_count` how many words there are, `on_length` the length of each. kWouldBlock: the prefix is
// too short to tell.
template <typename OnCount, typename OnLength>
base::Result<Front> read_front(base::ByteView prefix, uint64_t body_bytes, OnCount on_count,
                               OnLength on_length) {
  base::Reader reader(prefix);
  const auto cut_short = [&] {
    if (prefix.size() == body_bytes) return malformed("call is cut short", reader.position());
    return Error{ErrorCode::kWouldBlock, "more of the call's front is needed"};
  };
  uint64_t database = 0;
  uint64_t count = 0;
  if (!reader.get_varint(database) || !reader.get_varint(count)) return cut_short();
  if (database >= base::kDatabaseCount) return malformed("no such database", 0);
  if (count == 0 || count > body_bytes) return malformed("bad word count", reader.position());
  on_count(count);
  uint64_t total = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t length = 0;
    if (!reader.get_varint(length)) return cut_short();
    if (length > body_bytes - total) return malformed("word too long", reader.position());
    total += length;
    on_length(length);
  }
  if (reader.position() + total != body_bytes) {
    return malformed("words do not add up to the call", reader.position());
  }
  return Front{base::DatabaseIndex{static_cast<uint32_t>(database)}, reader.position()};
}

template <typename Out>
void write_call(Out& out, const CallView& call) {
  ALF_CHECK(!call.words.empty());
  ALF_CHECK(call.database.value < base::kDatabaseCount);
  // The numbers are put together first: one append for those of a short call instead of many.
  constexpr size_t kFrontNumbersMax = 10;
  char front[kFrontNumbersMax * base::kVarintBytesMax];
  char* end = front;
  const auto put = [&](uint64_t number) {
    if (end > front + sizeof(front) - base::kVarintBytesMax) {
      out.append(front, static_cast<size_t>(end - front));
      end = front;
    }
    end = base::write_varint(end, number);
  };
  put(call.database.value);
  put(call.words.size());
  for (base::ByteView word : call.words) put(word.size());
  out.append(front, static_cast<size_t>(end - front));
  for (base::ByteView word : call.words) out.append(word);
}

void put_watches(base::Bytes& out, std::span<const Watch> watches) {
  base::put_varint(out, watches.size());
  for (const Watch& watch : watches) {
    base::put_varint(out, watch.database.value);
    base::put_varint(out, watch.version.value);
    base::put_prefixed(out, watch.key);
  }
}

}  // namespace

size_t call_bytes(const CallView& call) {
  size_t total = varint_bytes(call.database.value) + varint_bytes(call.words.size());
  for (base::ByteView word : call.words) total += varint_bytes(word.size()) + word.size();
  return total;
}

void put_call(base::Bytes& out, const CallView& call) { write_call(out, call); }
void put_call(Pieces& out, const CallView& call) { write_call(out, call); }

void BlockCalls::add(const CallView& call) {
  base::put_varint(bytes, call_bytes(call));
  put_call(bytes, call);
  ++count;
}

size_t block_bytes(std::span<const Watch> watches, const BlockCalls& calls) {
  size_t total = varint_bytes(watches.size()) + varint_bytes(calls.count) + calls.bytes.size();
  for (const Watch& watch : watches) {
    total += varint_bytes(watch.database.value) + varint_bytes(watch.version.value) +
             varint_bytes(watch.key.size()) + watch.key.size();
  }
  return total;
}

void put_block(base::Bytes& out, std::span<const Watch> watches, const BlockCalls& calls) {
  out.reserve(out.size() + block_bytes(watches, calls));
  put_watches(out, watches);
  base::put_varint(out, calls.count);
  out.append(calls.bytes);
}

void put_block(base::Bytes& out, std::span<const Watch> watches,
               std::span<const base::Bytes> calls) {
  put_watches(out, watches);
  base::put_varint(out, calls.size());
  for (const base::Bytes& call : calls) base::put_prefixed(out, call);
}
void BatchBuilder::start(const PayloadHeader& header, size_t expected_bytes) {
  ALF_CHECK(payload_.empty());
  payload_.reserve(expected_bytes);
  base::put_u8(payload_, kPayloadVersion);
  base::put_varint(payload_, header.value_threshold_bytes);
  base::put_varint(payload_, header.string_bytes_max);
}

void BatchBuilder::add_call(const CallView& call, bool is_read, size_t body_bytes) {
  ALF_CHECK(is_started());
  char front[2 + base::kVarintBytesMax];
  front[0] = static_cast<char>(OperationKind::kCommand);
  front[1] = is_read ? static_cast<char>(kOperationIsRead) : '\0';
  const char* const end = base::write_varint(front + 2, body_bytes);
  payload_.append(front, static_cast<size_t>(end - front));
  const size_t begin = payload_.size();
  put_call(payload_, call);
  ALF_CHECK(payload_.size() - begin == body_bytes);
  ++operation_count_;
}

void BatchBuilder::add_body(OperationKind kind, uint8_t flags, base::ByteView body) {
  ALF_CHECK(is_started());
  base::put_u8(payload_, static_cast<uint8_t>(kind));
  base::put_u8(payload_, flags);
  base::put_prefixed(payload_, body);
  ++operation_count_;
}

base::Bytes BatchBuilder::take() {
  operation_count_ = 0;
  base::Bytes payload = std::move(payload_);
  payload_.clear();
  ALF_CHECK(payload.size() <= base::kEntryBytesMax);
  return payload;
}

void put_fragmented_body(base::Bytes& out, uint64_t length_bytes,
                         std::span<const vlog::ValueAddress> pieces) {
  base::put_varint(out, length_bytes);
  base::put_varint(out, pieces.size());
  uint64_t total = 0;
  for (const vlog::ValueAddress& piece : pieces) {
    vlog::put_address(out, piece);
    total += piece.length_bytes;
  }
  ALF_CHECK_MSG(total == length_bytes, "what a reader would refuse is never written");
}

base::Result<types::FragmentList> parse_fragmented_body(base::ByteView body) {
  base::Reader reader(body);
  types::FragmentList list;
  uint64_t count = 0;
  if (!reader.get_varint(list.length_bytes) || !reader.get_varint(count)) {
    return malformed("fragment list is cut short", reader.position());
  }
  if (count != reader.rest().size() / vlog::kAddressBytes) {
    return malformed("fragment count does not match the bytes behind it", reader.position());
  }
  uint64_t total = 0;
  list.pieces.resize(count);
  for (vlog::ValueAddress& piece : list.pieces) {
    if (!vlog::get_address(reader, piece)) return malformed("bad address", reader.position());
    total += piece.length_bytes;
  }
  if (!reader.is_empty() || total != list.length_bytes) {
    return malformed("fragments do not add up to their length", reader.position());
  }
  return list;
}

base::Result<PayloadReader> PayloadReader::open(base::ByteView payload) {
  PayloadReader opened;
  opened.payload_ = payload;
  if (payload.empty()) return opened;  // a tick
  base::Reader reader(payload);
  uint8_t version = 0;
  if (!reader.get_u8(version)) return malformed("no version", 0);
  if (version != kPayloadVersion) {
    return malformed(base::format("version {} found, {} expected: written by a newer release?",
                                  version, kPayloadVersion),
                     0);
  }
  if (!reader.get_varint(opened.header_.value_threshold_bytes) ||
      !reader.get_varint(opened.header_.string_bytes_max)) {
    return malformed("header is cut short", reader.position());
  }
  opened.position_ = reader.position();
  return opened;
}

base::Result<Operation> PayloadReader::next() {
  ALF_CHECK(has_next());
  base::Reader reader(payload_.substr(position_));
  Operation operation;
  uint8_t kind = 0;
  if (!reader.get_u8(kind) || !reader.get_u8(operation.flags) ||
      !reader.get_prefixed(operation.body)) {
    return malformed("operation is cut short", position_);
  }
  if (kind < static_cast<uint8_t>(OperationKind::kCommand) ||
      kind > static_cast<uint8_t>(OperationKind::kStateHash)) {
    return malformed(base::format("operation of unknown kind {}", kind), position_);
  }
  if ((operation.flags & ~(kOperationIsRead | kOperationIsFragments)) != 0) {
    return malformed(base::format("operation with unknown flags {}", operation.flags), position_);
  }
  operation.kind = static_cast<OperationKind>(kind);
  ALF_CHECK(operation.body.data() >= payload_.data());
  operation.body_offset_bytes = static_cast<uint32_t>(operation.body.data() - payload_.data());
  position_ += reader.position();
  ALF_CHECK(position_ <= payload_.size());
  ALF_CHECK(operation.body_offset_bytes + operation.body.size() == position_);
  return operation;
}

base::Result<CallShape> parse_call_shape(base::ByteView prefix, uint64_t body_bytes) {
  ALF_CHECK(prefix.size() <= body_bytes);
  CallShape shape;
  ALF_TRY(const Front front,
          read_front(
              prefix, body_bytes,
              [&](uint64_t count) {
                shape.word_bytes.reserve(std::min<uint64_t>(count, prefix.size()));
              },
              [&](uint64_t length) { shape.word_bytes.push_back(length); }));
  shape.database = front.database;
  shape.words_offset_bytes = front.words_offset_bytes;
  return shape;
}

base::Status parse_call(base::ByteView body, base::DatabaseIndex& database,
                        std::vector<base::ByteView>& words) {
  words.clear();
  const char* at = body.data();
  ALF_TRY(const Front front, read_front(
                                 body, body.size(), [&](uint64_t count) { words.reserve(count); },
                                 [&](uint64_t length) {
                                   words.emplace_back(at, length);
                                   at += length;
                                 }));
  database = front.database;
  // Only now is it known where the lengths end and the first word begins.
  for (base::ByteView& word : words) word = {word.data() + front.words_offset_bytes, word.size()};
  return base::ok();
}

bool peek_key(base::ByteView body, base::DatabaseIndex& database, base::ByteView& key) {
  constexpr uint64_t kWordsMax = 32;
  base::Reader reader(body);
  uint64_t database_number = 0;
  uint64_t count = 0;
  if (!reader.get_varint(database_number) || !reader.get_varint(count)) return false;
  if (database_number >= base::kDatabaseCount || count < 2 || count > kWordsMax) return false;
  database = base::DatabaseIndex{static_cast<uint32_t>(database_number)};
  uint64_t name_bytes = 0;
  uint64_t key_bytes = 0;
  uint64_t other_bytes = 0;
  if (!reader.get_varint(name_bytes) || !reader.get_varint(key_bytes)) return false;
  for (uint64_t i = 2; i < count; ++i) {
    if (!reader.get_varint(other_bytes)) return false;
  }
  base::ByteView name;
  return reader.get_bytes(name_bytes, name) && reader.get_bytes(key_bytes, key);
}

uint64_t peek_word_count(base::ByteView body) {
  base::Reader reader(body);
  uint64_t database = 0;
  uint64_t count = 0;
  return reader.get_varint(database) && reader.get_varint(count) ? count : 0;
}

base::Result<BlockView> parse_block(base::ByteView body) {
  base::Reader reader(body);
  BlockView block;
  uint64_t watch_count = 0;
  if (!reader.get_varint(watch_count) || watch_count > body.size()) {
    return malformed("bad watch count", reader.position());
  }
  for (uint64_t i = 0; i < watch_count; ++i) {
    Watch watch;
    uint64_t database = 0;
    base::ByteView key;
    if (!reader.get_varint(database) || database >= base::kDatabaseCount ||
        !reader.get_varint(watch.version.value) || !reader.get_prefixed(key)) {
      return malformed("bad watch", reader.position());
    }
    watch.database = base::DatabaseIndex{static_cast<uint32_t>(database)};
    watch.key = base::Bytes(key);
    block.watches.push_back(std::move(watch));
  }
  uint64_t call_count = 0;
  if (!reader.get_varint(call_count) || call_count > body.size()) {
    return malformed("bad call count", reader.position());
  }
  block.calls.reserve(call_count);
  for (uint64_t i = 0; i < call_count; ++i) {
    BlockCall call;
    if (!reader.get_prefixed(call.body)) return malformed("bad call", reader.position());
    call.offset_bytes = static_cast<uint64_t>(call.body.data() - body.data());
    block.calls.push_back(call);
  }
  if (!reader.is_empty()) return malformed("bytes behind the block", reader.position());
  return block;
}

}  // namespace alfheim::machine
