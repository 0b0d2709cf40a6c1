// server/reply_queue: replies of one connection leave in the order of its requests.
//
// Each request takes a slot. A reply that comes early waits behind the slots before it; what
// is ready at the front moves to the output at once. Slots of muted requests (CLIENT REPLY)
// keep their place and send nothing. Large replies pass as they are, between what is joined.
//
// Thread: the session's loop. Lifetime: of the session. Bound: the session stops cutting
// requests at kSlotsMax.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace alfheim::server {

class ReplyQueue {
 public:
  // What one connection may have under way: others' writes wait behind it, some milliseconds.
  static constexpr size_t kSlotsMax = 4096;

  // A slot whose reply comes later; its number.
  uint64_t add_pending(bool is_muted);
  // A reply that is there already; straight to the output where nothing waits before it.
  void add_ready(base::ByteView reply, bool is_muted);
  // The reply of a pending slot. A slot that is gone (or was filled) is the caller's bug.
  void fill(uint64_t slot, base::ByteView reply);
  // The same of a reply that is sent from where it lies, and never copied.
  using Whole = std::shared_ptr<const base::Bytes>;  // shared with the connection that sends it
  void fill_whole(uint64_t slot, Whole reply);
  // The replies of pending slots that follow each other: the first is bytes[begin, ends[0]).
  void fill_run(uint64_t first, base::ByteView bytes, size_t begin, std::span<const size_t> ends);

  // Of this slot, which waits, and of all behind it nothing is sent.
  void mute_from(uint64_t slot);
  // The number that the next slot will have.
  uint64_t next_slot() const { return first_slot_ + slots_.size(); }

  // Nothing waits: a reply may be written straight into output().
  bool is_direct() const { return slots_.empty(); }
  bool has_pending() const { return pending_count_ > 0; }
  size_t pending_count() const { return pending_count_; }
  bool is_full() const { return slots_.size() >= kSlotsMax; }
  // What is joined, and goes behind the pieces.
  base::Bytes& output() { return output_; }
  std::vector<Whole> take_pieces();
  size_t ready_bytes() const { return piece_bytes_ + output_.size(); }  // pieces and output
  // Bytes that wait behind a slot that is not filled.
  size_t held_bytes() const { return held_bytes_; }
  size_t memory_bytes() const {
    return ready_bytes() + held_bytes_ + slots_.size() * sizeof(Slot) +
           held_.capacity() * (sizeof(uint64_t) + sizeof(Held));
  }
  // Gives back what was kept for later replies; nothing waits and nothing is ready.
  void release_idle();
  bool is_released() const { return held_.capacity() == 0 && output_.capacity() < sizeof(output_); }

 private:
  struct Slot {
    bool is_ready = false;
    bool is_muted = false;
  };
  using Held = std::variant<base::Bytes, Whole>;
  Slot& take_pending(uint64_t slot);  // it waits no more
  void hold(uint64_t slot, base::ByteView reply);
  void add_whole(Whole reply);
  void pop();
  void drain();

  std::deque<Slot> slots_;
  // Replies that came before an earlier one; by slot, and only looked up.
  absl::flat_hash_map<uint64_t, Held> held_;
  uint64_t first_slot_ = 1;  // number of slots_.front()
  size_t pending_count_ = 0;
  size_t muted_count_ = 0;
  size_t held_bytes_ = 0;
  std::vector<Whole> pieces_;
  size_t piece_bytes_ = 0;
  base::Bytes output_;
};

}  // namespace alfheim::server
