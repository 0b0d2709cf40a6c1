// resp/reply_parser: the other side of the wire: bytes -> values, for tests, sim and tools.
//
// Takes RESP2 and RESP3 in pieces of any size; each byte is looked at once. It is no server
// code: its bounds (depth, sizes) protect a tool from a broken server, not from an enemy.
//
// Thread: none of its own, one user.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace alfheim::resp {

// One reply. Which members hold something follows from the kind.
struct Value {
  enum class Kind : unsigned char {
    kSimpleString,  // text
    kError,         // text, with its code
    kInteger,       // integer
    kBulk,          // text
    kNull,          // $-1 or _
    kNullArray,     // *-1
    kArray,         // elements
    kMap,           // elements: key, value, key, value, ...
    kSet,           // elements
    kPush,          // elements
    kBool,          // integer 0 or 1
    kDouble,        // text as received; number
    kBigNumber,     // text
    kBulkError,     // text
    kVerbatim,      // text; format
  };
  Kind kind = Kind::kNull;
  base::Bytes text;
  base::Bytes format;
  int64_t integer = 0;
  double number = 0;
  std::vector<Value> elements;
  std::vector<Value> attributes;  // key, value, ... of an attribute ('|') before this value

  bool is_error() const { return kind == Kind::kError || kind == Kind::kBulkError; }
  bool is_null() const { return kind == Kind::kNull || kind == Kind::kNullArray; }
  friend bool operator==(const Value&, const Value&) = default;
};

// One line that shows kind and content: (error "ERR x"), [1, "a", nil], {"k": 1}.
std::string to_text(const Value& value);

// Appends the request that a client sends for these arguments.
void append_request(base::Bytes& out, const std::vector<base::ByteView>& arguments);

class ReplyParser {
 public:
  enum class Next : unsigned char { kValue, kNeedMore, kError };
  static constexpr size_t kDepthMax = 128;

  void feed(base::ByteView bytes);
  // kValue: `value` holds the next whole reply. kError: error() says why, for ever.
  Next next(Value& value);
  const std::string& error() const { return error_; }
  size_t bytes_unconsumed() const { return buffer_.size() - position_; }

 private:
  // An aggregate that waits for `left` more elements.
  struct Frame {
    Value value;
    size_t left = 0;
    bool is_attribute = false;
  };
  enum class Step : unsigned char { kScalar, kOpened, kNeedMore, kError };

  Step step(Value& value);
  Step aggregate(char type, int64_t count, Value& value);
  Step bulk(char type, int64_t length, size_t line_bytes, Value& value);
  Step scalar(char type, base::ByteView text, Value& value);
  Step fail(std::string text);
  bool close_frames(Value& value);

  base::Bytes buffer_;
  size_t position_ = 0;
  size_t line_scan_ = 0;  // no line end stands before this place
  std::vector<Frame> frames_;
  std::vector<Value> attributes_;  // belong to the value that comes next
  std::string error_;
};

}  // namespace alfheim::resp
