// machine/entry_codec: the payload of a kCommands entry: a list of operations.
//
// Encoded once, by the session that received the commands; the bytes stay the same in
// memory, in the log and on the wire, so a value's place in them is its address. A payload
// without operations is a tick. Options that change a result are carried here and read from
// here alone in apply. Format: docs/formats/entry.md (version 1).
//
// Thread: none of its own. Errors: kCorruption names the offset in the payload.
#pragma once

#include <absl/container/inlined_vector.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "types/database.h"
#include "vlog/address.h"

namespace alfheim::machine {

class Pieces;

inline constexpr uint8_t kPayloadVersion = 1;

// Format: never renumber.
enum class OperationKind : uint8_t {
  kCommand = 1,    // one command
  kBlock = 2,      // MULTI ... EXEC, with what was watched
  kStateHash = 3,  // RAFT HASH
};
// Bits of an operation's flags byte (format).
inline constexpr uint8_t kOperationIsRead = 1;       // only the node that owes the reply runs it
inline constexpr uint8_t kOperationIsFragments = 2;  // the body went ahead in fragment entries

// What holds for the whole payload.
struct PayloadHeader {
  uint64_t value_threshold_bytes = 0;
  uint64_t string_bytes_max = 0;
};

struct CallView {
  base::DatabaseIndex database;
  std::span<const base::ByteView> words;
};
// A watched key and the log index of its last write when it was watched; 0: it was missing.
struct Watch {
  base::DatabaseIndex database;
  base::Bytes key;
  base::LogIndex version;
};

// Bodies of operations.
void put_call(base::Bytes& out, const CallView& call);
void put_call(Pieces& out, const CallView& call);
size_t call_bytes(const CallView& call);
// The calls of a block, encoded as they come.
struct BlockCalls {
  base::Bytes bytes;
  uint64_t count = 0;

  void add(const CallView& call);
};
void put_block(base::Bytes& out, std::span<const Watch> watches, const BlockCalls& calls);
size_t block_bytes(std::span<const Watch> watches, const BlockCalls& calls);
void put_block(base::Bytes& out, std::span<const Watch> watches,
               std::span<const base::Bytes> calls);

// Builds one payload, operation by operation.
class BatchBuilder {
 public:
  BatchBuilder() = default;

  // `expected_bytes` is a guess at how long the payload will be.
  void start(const PayloadHeader& header, size_t expected_bytes = 0);
  void add_call(const CallView& call, bool is_read) { add_call(call, is_read, call_bytes(call)); }
  // `body_bytes` is call_bytes(call), which whoever asks for room knows already.
  void add_call(const CallView& call, bool is_read, size_t body_bytes);
  void add_body(OperationKind kind, uint8_t flags, base::ByteView body);
  size_t size_bytes() const { return payload_.size(); }
  uint32_t operation_count() const { return operation_count_; }
  bool is_started() const { return !payload_.empty(); }
  // Hands the payload out and becomes empty.
  base::Bytes take();

 private:
  base::Bytes payload_;
  uint32_t operation_count_ = 0;
};

// The body of an operation whose own body went ahead in fragments.
void put_fragmented_body(base::Bytes& out, uint64_t length_bytes,
                         std::span<const vlog::ValueAddress> pieces);
base::Result<types::FragmentList> parse_fragmented_body(base::ByteView body);

struct Operation {
  OperationKind kind = OperationKind::kCommand;
  uint8_t flags = 0;
  base::ByteView body;
  uint32_t body_offset_bytes = 0;  // in the payload
};

// Walks the operations of a payload.
class PayloadReader {
 public:
  static base::Result<PayloadReader> open(base::ByteView payload);
  const PayloadHeader& header() const { return header_; }
  bool has_next() const { return position_ < payload_.size(); }
  base::Result<Operation> next();

 private:
  base::ByteView payload_;
  size_t position_ = 0;
  PayloadHeader header_;
};

// Where the words of a call lie in its body. Lengths stand before the bytes, so that a body
// in fragments is understood from its first bytes.
struct CallShape {
  base::DatabaseIndex database;
  absl::InlinedVector<uint64_t, 16> word_bytes;
  uint64_t words_offset_bytes = 0;  // of the first word, in the body
};
// Parses the front of a call; `prefix` may be only the body's beginning. kWouldBlock: the
// prefix is too short to tell.
base::Result<CallShape> parse_call_shape(base::ByteView prefix, uint64_t body_bytes);

// The same of a whole body, at once: its words are views into it.
base::Status parse_call(base::ByteView body, base::DatabaseIndex& database,
                        std::vector<base::ByteView>& words);

// The second word of a call, which nearly always is its key, without judging the rest; false
// where there is none, or the call is an unusual one (for hints only).
bool peek_key(base::ByteView body, base::DatabaseIndex& database, base::ByteView& key);
// How many words a call says it has, without judging; 0 where it cannot be told.
uint64_t peek_word_count(base::ByteView body);

struct BlockCall {
  base::ByteView body;
  uint64_t offset_bytes = 0;  // in the block's body
};
struct BlockView {
  std::vector<Watch> watches;
  std::vector<BlockCall> calls;
};
base::Result<BlockView> parse_block(base::ByteView body);

}  // namespace alfheim::machine
