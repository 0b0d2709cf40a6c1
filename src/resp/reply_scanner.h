// resp/reply_scanner: where replies end, in a stream that is only passed on.
//
// Looks at each byte once, keeps none, and understands no more than lengths and counts: so a
// reply of any size and depth costs it a few numbers. What it is fed comes from a node of ours;
// bounds protect it from a broken one.
//
// Thread: none of its own, one user.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace alfheim::resp {

class ReplyScanner {
 public:
  enum class Found : uint8_t {
    kMore,    // the reply goes on behind these bytes
    kReply,   // its last byte is the last one taken
    kPush,    // the same of what nobody asked for (RESP3)
    kBroken,  // no reply; so it stays
  };
  // Takes bytes of one reply, at most: up to its end, or all. Empty bytes: kMore.
  Found scan(base::ByteView bytes, size_t& taken);
  // Whether a reply has begun that has not ended.
  bool is_within() const { return values_left_ > 0; }
  // Of the reply that is under way, or was found last.
  bool is_push() const { return first_type_ == '>'; }
  bool is_error() const { return first_type_ == '-' || first_type_ == '!'; }

 private:
  enum class Part : uint8_t { kType, kLine, kNumber, kBody, kBroken };

  void take_type(char type);
  void take_digit(char digit);
  void end_line();

  Part part_ = Part::kType;
  char first_type_ = 0;       // of the whole reply
  char type_ = 0;             // of the value within it
  uint64_t values_left_ = 0;  // with the one that is under way
  uint64_t body_left_ = 0;    // bytes, with the line end
  uint64_t number_ = 0;
  bool is_negative_ = false;
};

}  // namespace alfheim::resp
