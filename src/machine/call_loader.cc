#include "machine/call_loader.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/text.h"

namespace alfheim::machine {
namespace {

using types::FragmentList;
using types::ValueInput;

// Whether word `index` stands where the row takes a value whole.
bool is_value_position(const command::ValuePositions& values, size_t index) {
  if (values.first == 0) return false;
  const auto first = static_cast<size_t>(values.first);
  if (index == first) return true;
  return values.step > 0 && index > first &&
         (index - first) % static_cast<size_t>(values.step) == 0;
}

// The pieces that hold [from, from + length), whole, with what to skip in the first.
FragmentList slice(const FragmentList& body, uint64_t from, uint64_t length) {
  ALF_CHECK(from + length <= body.length_bytes);
  FragmentList part;
  part.length_bytes = length;
  uint64_t begin = 0;
  for (const vlog::ValueAddress& piece : body.pieces) {
    const uint64_t end = begin + piece.length_bytes;
    if (end > from && begin < from + length) {
      if (part.pieces.empty()) part.skip_bytes = from - begin;
      part.pieces.push_back(piece);
    }
    begin = end;
  }
  return part;
}

// The exact places of bytes that are in memory: each piece with a checksum of its own.
FragmentList exact_places(const FragmentList& body, uint64_t from, base::ByteView bytes) {
  ALF_CHECK(from + bytes.size() <= body.length_bytes);
  FragmentList part;
  part.length_bytes = bytes.size();
  uint64_t begin = 0;
  for (const vlog::ValueAddress& piece : body.pieces) {
    const uint64_t end = begin + piece.length_bytes;
    if (end > from && begin < from + bytes.size()) {
      const uint64_t low = std::max(begin, from);
      const uint64_t high = std::min(end, from + bytes.size());
      vlog::ValueAddress address = piece;
      address.offset_bytes += static_cast<uint32_t>(low - begin);
      address.length_bytes = static_cast<uint32_t>(high - low);
      address.crc = base::crc32c(bytes.substr(low - from, high - low));
      part.pieces.push_back(address);
    }
    begin = end;
  }
  return part;
}

// What a LoadedCall keeps between calls.
constexpr size_t kArenaBytesKeptMax = 64 * base::kKiB;
constexpr size_t kWordsKeptMax = 4096;

}  // namespace

void LoadedCall::clear() {
  row = nullptr;
  inputs.clear();
  words.clear();
  arena.clear();
  if (arena.capacity() > kArenaBytesKeptMax) base::Bytes().swap(arena);
  if (inputs.capacity() > kWordsKeptMax) std::vector<ValueInput>().swap(inputs);
  if (words.capacity() > kWordsKeptMax) std::vector<base::ByteView>().swap(words);
}

base::Result<const command::Row*> CallLoader::row_of(const command::Arguments& args) const {
  const command::Row* row = table_.find(args);
  if (row == nullptr || row->handler == nullptr) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("apply command '{}': this release does not know it",
                                    base::to_quoted(args[0]))};
  }
  return row;
}

base::Status CallLoader::load(base::ByteView body, uint32_t offset_bytes,
                              const PayloadHeader& header, LoadedCall& call) const {
  call.clear();
  call.place = {body.data() - offset_bytes, header.value_threshold_bytes};
  ALF_TRY_STATUS(parse_call(body, call.database, call.words));
  ALF_TRY(call.row, row_of(call.args()));
  return base::ok();
}

base::Status CallLoader::append_range(const FragmentList& body, uint64_t from, uint64_t length,
                                      base::Bytes& out) const {
  ALF_CHECK(from + length <= body.length_bytes);
  uint64_t begin = 0;
  for (const vlog::ValueAddress& piece : body.pieces) {
    const uint64_t end = begin + piece.length_bytes;
    if (end > from && begin < from + length) {
      const uint64_t low = std::max(begin, from) - begin;
      const uint64_t high = std::min(end, from + length) - begin;
      ALF_TRY_STATUS(values_.read(piece, low, high - low, out));
    }
    begin = end;
  }
  return base::ok();
}

base::Result<base::Bytes> CallLoader::read_fragments(const FragmentList& body) const {
  base::Bytes bytes;
  bytes.reserve(body.length_bytes);
  ALF_TRY_STATUS(append_range(body, 0, body.length_bytes, bytes));
  ALF_CHECK(bytes.size() == body.length_bytes);
  return bytes;
}

base::Status CallLoader::load_fragments(const FragmentList& body, const PayloadHeader& header,
                                        LoadedCall& call) const {
  // The lengths of all words stand in front; a million words fill several pieces.
  base::Bytes front;
  std::optional<CallShape> shape;
  for (uint64_t wanted = 64 * base::kKiB; !shape; wanted *= 4) {
    const uint64_t length = std::min(wanted, body.length_bytes);
    front.clear();
    ALF_TRY_STATUS(append_range(body, 0, length, front));
    base::Result<CallShape> parsed = parse_call_shape(front, body.length_bytes);
    if (parsed.is_ok()) {
      shape = std::move(parsed).value();
    } else if (parsed.error().code != base::ErrorCode::kWouldBlock) {
      return std::move(parsed).error();
    }
  }
  // The name decides which words may stay unread.
  call.clear();
  call.database = shape->database;
  base::Bytes names;
  absl::InlinedVector<base::ByteView, 2> first_words;
  const size_t name_count = std::min<size_t>(2, shape->word_bytes.size());
  uint64_t names_bytes = 0;
  for (size_t i = 0; i < name_count; ++i) {
    if (shape->word_bytes[i] >= kUnreadWordBytesMin) break;
    names_bytes += shape->word_bytes[i];
  }
  ALF_TRY_STATUS(append_range(body, shape->words_offset_bytes, names_bytes, names));
  for (uint64_t at = 0; at < names_bytes;) {
    const uint64_t length = shape->word_bytes[first_words.size()];
    first_words.push_back(base::ByteView(names).substr(at, length));
    at += length;
  }
  if (first_words.empty()) first_words.push_back(base::ByteView());
  ALF_TRY(call.row, row_of(command::Arguments(std::span<const base::ByteView>(first_words))));

  const auto is_unread = [&](size_t i) {
    return shape->word_bytes[i] >= kUnreadWordBytesMin && is_value_position(call.row->values, i);
  };
  uint64_t at = shape->words_offset_bytes;
  for (size_t i = 0; i < shape->word_bytes.size(); ++i) {
    if (!is_unread(i)) {
      ALF_TRY_STATUS(append_range(body, at, shape->word_bytes[i], call.arena));
    }
    at += shape->word_bytes[i];
  }
  ALF_CHECK(at == body.length_bytes);

  // Words point into the arena only now: a read may move it, whatever was reserved, because a
  // source that tests a checksum reads more than it was asked for and cuts it off again.
  call.inputs.reserve(shape->word_bytes.size());
  at = shape->words_offset_bytes;
  size_t arena_begin = 0;
  for (size_t i = 0; i < shape->word_bytes.size(); ++i) {
    const uint64_t length = shape->word_bytes[i];
    ValueInput& word = call.inputs.emplace_back();
    word.length_bytes = length;
    if (is_unread(i)) {
      word.fragments = std::make_shared<const FragmentList>(slice(body, at, length));
    } else {
      word.bytes = base::ByteView(call.arena).substr(arena_begin, length);
      arena_begin += length;
      if (is_value_position(call.row->values, i) && length >= header.value_threshold_bytes) {
        word.fragments = std::make_shared<const FragmentList>(exact_places(body, at, word.bytes));
      }
    }
    at += length;
  }
  ALF_CHECK(arena_begin == call.arena.size());
  for (const ValueInput& word : call.inputs) call.words.push_back(word.bytes);
  return base::ok();
}

}  // namespace alfheim::machine
