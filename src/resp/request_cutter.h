// resp/request_cutter: cuts requests out of the bytes a connection reads, in place.
//
// Owns the connection's input buffer. The owner reads into room(), says how much came with
// commit(), then calls next() until it needs more. Arguments are views into the buffer; nothing
// is copied (quoted inline arguments are unescaped where they stand).
//
// Lifetime of views: string_views of a request hold until the next room() or release_idle();
// the span argv() only until the next next(). So all requests of one read may be held at once,
// if their spans are copied.
//
// Memory: a fresh or released cutter owns nothing. The buffer stays at kReadBytes, unless a
// request needs more. Announced argument counts reserve nothing before many of them have come.
// An announced bulk does: after kNeedMore, bytes_wanted() tells how many bytes of it are missing,
// and the next room() makes the buffer large enough at once, so that a 512 MiB value is not copied
// while it arrives (its memory is touched only by what arrives). Admit bytes_wanted() against the
// budget first; before it is admitted, do not call room(). After a large request the buffer
// shrinks again.
//
// A request of many arguments lies in several buffers: one that is full becomes a part of it, and
// only the argument that is not whole moves on into the next. So no read costs more than what it
// brought, however large the request is by then, and no part is so large that freeing it is a
// matter of its own. The owner bounds a request by bytes_unconsumed() + bytes_wanted().
//
// Before authentication, announced sizes are limited as in Redis. A request is judged when
// next() reaches it: call set_authenticated() before asking for the request behind AUTH.
//
// Errors are Redis 7.0's own texts, without "-" and "ERR ". What is cut depends on the bytes
// alone, never on how reads divided them.
//
// Thread: none of its own, one user. Knows no socket and no command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "resp/request.h"

namespace alfheim::resp {

class RequestCutter {
 public:
  // The buffer of an ordinary connection, and what it falls back to after a large request.
  static constexpr size_t kReadBytes = 16 * base::kKiB;
  // Longest inline request, and longest line that announces a count or a length.
  static constexpr size_t kLineBytesMax = 64 * base::kKiB;
  static constexpr size_t kRoomBytesMin = 4 * base::kKiB;
  // Largest buffer of a request that grows piece by piece; an announced bulk may ask for more.
  static constexpr size_t kPartBytesMax = base::kMiB;
  static constexpr size_t kUnauthenticatedArgumentsMax = 10;
  static constexpr size_t kUnauthenticatedBulkBytesMax = 16 * base::kKiB;

  struct Options {
    size_t bulk_bytes_max = base::kBulkBytesMax;  // proto-max-bulk-len
    size_t argument_count_max = base::kArgumentCountMax;
    bool is_authenticated = true;
    // Of an ordinary buffer; the other sizes follow it. Small for tests that want many buffers.
    size_t read_bytes = kReadBytes;
  };
  explicit RequestCutter(Options options);
  RequestCutter(const RequestCutter&) = delete;
  RequestCutter& operator=(const RequestCutter&) = delete;

  // Free space to read into, at least kRoomBytesMin or all that an open bulk still wants. Ends
  // the life of all views. Empty only where memory is exhausted: close the connection.
  std::span<char> room();
  // The first `count` bytes of the last room() were filled.
  void commit(size_t count);

  // Empty requests ("*0", blank lines) are skipped.
  Cut next();
  Arguments argv() const { return argv_; }
  // The request that was given out last, with the memory that it lies in: for one of many words,
  // or large ones, that is to be worked on elsewhere. What stands behind it is kept. Views of
  // other requests end. Nothing where memory is exhausted: then all is as it was.
  struct Free {
    void operator()(char* memory) const;
  };
  using Buffer = std::unique_ptr<char, Free>;
  struct Taken {
    std::vector<Buffer> buffers;
    size_t buffer_bytes = 0;              // of them all, as far as they were filled
    std::vector<std::string_view> words;  // into them
  };
  std::optional<Taken> take_request();
  bool is_request_given() const { return is_given_; }  // and not taken
  // All that is held, for whom nothing of it matters any more.
  Taken take_all();
  std::string_view error() const { return error_; }
  // A look at what waits, for hints: the second word (most commands' key) of the request that
  // begins `offset` bytes behind what was given out; then `offset` is where the next one begins.
  // Nothing where that is not here as a whole, or not of the plain form, or long. Empty where there
  // is no second word. The view holds as a request's does.
  std::optional<std::string_view> peek_second_word(size_t& offset) const;

  // Bytes of the announced bulk (with its line end) that have not arrived; 0 if none is open.
  size_t bytes_wanted() const;
  // Bytes that arrived and are not yet part of a request that was given out.
  size_t bytes_unconsumed() const { return parts_.unconsumed + (end_ - begin_); }
  // Memory held by the buffers, for CLIENT LIST's qbuf-free and for budgets.
  size_t capacity_bytes() const { return parts_.capacity + capacity_; }
  // What of it was ever filled, and so takes memory, with the list of arguments.
  size_t memory_bytes() const {
    return parts_.filled + filled_bytes_ + argv_.size() * sizeof(std::string_view);
  }

  // Gives the memory back if no bytes wait in it. Ends the life of all views.
  void release_idle();

  void set_authenticated(bool is_authenticated) { options_.is_authenticated = is_authenticated; }
  void set_bulk_bytes_max(size_t bytes) { options_.bulk_bytes_max = bytes; }

 private:
  // What stands in a line that announces a number ("*3", "$16").
  enum class Line : unsigned char { kNumber, kBad, kNeedMore, kTooLong };
  enum class Progress : unsigned char { kDone, kNeedMore, kError };
  static constexpr size_t kNoBulk = static_cast<size_t>(-1);

  Progress cut_inline();
  Progress cut_multibulk();
  Progress open_multibulk();
  Progress open_bulk();
  // Reads the number behind the type byte at scan_; on kNumber scan_ stands behind the line.
  Line take_number(int64_t& number);
  Line take_number_slowly(int64_t& number);
  // The digits at `place`, which moves behind their line, where they are plain: few, no sign, no
  // needless zero, and all here.
  std::optional<uint64_t> plain_number(size_t& place) const;
  std::optional<size_t> peek_number(char type, size_t& place) const;
  Progress fail(std::string text);
  void forget_given();
  // Makes space for `bytes_more` behind what is there; false: no memory.
  bool make_room(size_t bytes_more);
  // Brings what is unconsumed to the front of a buffer of `capacity` bytes; false: no memory.
  bool move_to_front(size_t capacity);
  // The buffer becomes a part of the open request, which goes on in another; false: no memory.
  bool begin_part(size_t bytes_more);
  bool is_in_parts() const { return !parts_.buffers.empty(); }
  size_t room_bytes_min() const { return options_.read_bytes * kRoomBytesMin / kReadBytes; }

  Options options_;
  // Buffers before this one of the request that is open or given out; arguments lie in them.
  struct {
    std::vector<Buffer> buffers;
    size_t capacity = 0;
    size_t filled = 0;
    size_t unconsumed = 0;  // bytes of the open request
  } parts_;
  Buffer buffer_;
  size_t capacity_ = 0;
  size_t filled_bytes_ = 0;  // of this buffer, at most; end_ <= filled_bytes_ <= capacity_
  size_t begin_ = 0;         // first byte here of the request that is being cut
  size_t scan_ = 0;          // first byte not yet understood; begin_ <= scan_ <= end_ <= capacity_
  size_t end_ = 0;           // first free byte
  size_t arguments_left_ = 0;           // of the open multibulk request
  size_t bulk_bytes_ = kNoBulk;         // announced length of the open bulk
  bool is_given_ = false;               // argv_ was given out; the next request starts afresh
  std::vector<std::string_view> argv_;  // untouched capacity is no memory
  std::string error_;                   // not empty: nothing can be cut any more
};

}  // namespace alfheim::resp
