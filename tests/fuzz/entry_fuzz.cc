// Fuzzes machine/entry_codec: the payload of an entry, and the bodies of its operations.
//
// An entry's payload is guarded by its record's checksum, so there is none here to reseal.
#include <optional>
#include <vector>

#include "base/check.h"
#include "machine/entry_codec.h"
#include "tests/fuzz/fuzz_input.h"

namespace alfheim::fuzz {
namespace {

using machine::CallShape;
using machine::Operation;

bool are_equal(const CallShape& a, const CallShape& b) {
  return a.database == b.database && a.word_bytes == b.word_bytes &&
         a.words_offset_bytes == b.words_offset_bytes;
}

std::vector<base::ByteView> words_of(const CallShape& shape, base::ByteView body) {
  std::vector<base::ByteView> words;
  size_t at = shape.words_offset_bytes;
  for (const uint64_t length : shape.word_bytes) {
    words.push_back(body.substr(at, length));
    at += length;
  }
  ALF_CHECK(at == body.size());
  return words;
}

// The beginning of a call tells the same as the whole, or that more is needed: a call in
// fragments is judged by its first piece.
void compare_prefixes(base::ByteView body, const base::Result<CallShape>& whole) {
  const size_t step = 1 + body.size() / 64;
  for (size_t length = 0; length < body.size(); length += step) {
    const auto part = machine::parse_call_shape(body.substr(0, length), body.size());
    if (!part.is_ok() && part.error().code == base::ErrorCode::kWouldBlock) continue;
    ALF_CHECK(part.is_ok() == whole.is_ok());
    if (part.is_ok()) ALF_CHECK(are_equal(*part, *whole));
  }
}

// The two readers of a call say the same, and the hint is right where the call is.
void compare_readers(base::ByteView body, const base::Result<CallShape>& shape) {
  base::DatabaseIndex database;
  std::vector<base::ByteView> words;
  const base::Status status = machine::parse_call(body, database, words);
  ALF_CHECK(status.is_ok() == shape.is_ok());
  base::DatabaseIndex hinted_database;
  base::ByteView hinted_key;
  const bool is_hinted = machine::peek_key(body, hinted_database, hinted_key);
  if (!status.is_ok()) return;
  ALF_CHECK(database == shape->database);
  ALF_CHECK(words == words_of(*shape, body));
  if (!is_hinted) return;
  ALF_CHECK(hinted_database == database);
  ALF_CHECK(words.size() >= 2);
  ALF_CHECK(hinted_key == words[1]);
}

void parse_call(base::ByteView body) {
  const auto shape = machine::parse_call_shape(body, body.size());
  compare_prefixes(body, shape);
  compare_readers(body, shape);
  if (!shape.is_ok()) {
    ALF_CHECK(shape.error().code == base::ErrorCode::kCorruption);
    return;
  }
  const std::vector<base::ByteView> words = words_of(*shape, body);
  const machine::CallView call{shape->database, words};
  base::Bytes again;
  machine::put_call(again, call);
  ALF_CHECK(again.size() == machine::call_bytes(call));
  const auto second = machine::parse_call_shape(again, again.size());
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->database == shape->database);
  ALF_CHECK(words_of(*second, again) == words);
}

void parse_block(base::ByteView body) {
  const auto block = machine::parse_block(body);
  if (!block.is_ok()) return;
  std::vector<base::Bytes> calls;
  for (const machine::BlockCall& call : block->calls) {
    ALF_CHECK(body.substr(call.offset_bytes, call.body.size()) == call.body);
    calls.emplace_back(call.body);
    parse_call(call.body);
  }
  base::Bytes again;
  machine::put_block(again, block->watches, calls);
  const auto second = machine::parse_block(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->watches.size() == block->watches.size());
  for (size_t i = 0; i < block->watches.size(); ++i) {
    ALF_CHECK(second->watches[i].database == block->watches[i].database);
    ALF_CHECK(second->watches[i].key == block->watches[i].key);
    ALF_CHECK(second->watches[i].version == block->watches[i].version);
  }
  ALF_CHECK(second->calls.size() == calls.size());
  for (size_t i = 0; i < calls.size(); ++i) ALF_CHECK(second->calls[i].body == calls[i]);
}

void parse_fragments(base::ByteView body) {
  const auto list = machine::parse_fragmented_body(body);
  if (!list.is_ok()) return;
  base::Bytes again;
  machine::put_fragmented_body(again, list->length_bytes, list->pieces);
  const auto second = machine::parse_fragmented_body(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->pieces == list->pieces);
  ALF_CHECK(second->length_bytes == list->length_bytes);
}

void parse_body(const Operation& operation) {
  if ((operation.flags & machine::kOperationIsFragments) != 0) {
    parse_fragments(operation.body);
  } else if (operation.kind == machine::OperationKind::kBlock) {
    parse_block(operation.body);
  } else {
    parse_call(operation.body);
  }
}

// The operations up to the first bad one.
std::vector<Operation> operations_of(machine::PayloadReader& reader, base::ByteView payload) {
  std::vector<Operation> operations;
  while (reader.has_next()) {
    const auto operation = reader.next();
    if (!operation.is_ok()) {
      ALF_CHECK(operation.error().code == base::ErrorCode::kCorruption);
      break;
    }
    ALF_CHECK(payload.substr(operation->body_offset_bytes, operation->body.size()) ==
              operation->body);
    operations.push_back(*operation);
  }
  return operations;
}

void decode(base::ByteView payload) {
  auto reader = machine::PayloadReader::open(payload);
  if (!reader.is_ok()) return;
  const std::vector<Operation> operations = operations_of(*reader, payload);
  machine::BatchBuilder builder;
  builder.start(reader->header());
  for (const Operation& operation : operations) {
    parse_body(operation);
    builder.add_body(operation.kind, operation.flags, operation.body);
  }
  ALF_CHECK(builder.operation_count() == operations.size());
  const base::Bytes again = builder.take();
  auto second = machine::PayloadReader::open(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->header().string_bytes_max == reader->header().string_bytes_max);
  ALF_CHECK(second->header().value_threshold_bytes == reader->header().value_threshold_bytes);
  const std::vector<Operation> found = operations_of(*second, again);
  ALF_CHECK(found.size() == operations.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ALF_CHECK(found[i].kind == operations[i].kind);
    ALF_CHECK(found[i].flags == operations[i].flags);
    ALF_CHECK(found[i].body == operations[i].body);
  }
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  const base::ByteView bytes(reinterpret_cast<const char*>(data), size);
  fuzz::decode(bytes);
  // Bodies also by themselves: they are reached through fragments, too.
  fuzz::parse_call(bytes);
  fuzz::parse_block(bytes);
  fuzz::parse_fragments(bytes);
  return 0;
}
