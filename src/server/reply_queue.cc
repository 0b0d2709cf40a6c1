#include "server/reply_queue.h"

#include "base/check.h"

namespace alfheim::server {

uint64_t ReplyQueue::add_pending(bool is_muted) {
  Slot& slot = slots_.emplace_back();
  slot.is_muted = is_muted;
  ++pending_count_;
  return first_slot_ + slots_.size() - 1;
}

void ReplyQueue::add_ready(base::ByteView reply, bool is_muted) {
  if (slots_.empty()) {
    if (!is_muted) output_.append(reply);
    return;
  }
  Slot& slot = slots_.emplace_back();
  slot.is_ready = true;
  slot.is_muted = is_muted;
  if (!is_muted) slot.reply.assign(reply);
  held_bytes_ += slot.reply.size();
}

void ReplyQueue::fill(uint64_t number, base::ByteView reply) {
  ALF_CHECK(number >= first_slot_);
  ALF_CHECK(number - first_slot_ < slots_.size());
  Slot& slot = slots_[number - first_slot_];
  ALF_CHECK(!slot.is_ready);
  slot.is_ready = true;
  --pending_count_;
  if (number == first_slot_) {
    if (!slot.is_muted) output_.append(reply);
  } else if (!slot.is_muted) {
    slot.reply.assign(reply);
    held_bytes_ += reply.size();
  }
  drain();
}

void ReplyQueue::drain() {
  while (!slots_.empty() && slots_.front().is_ready) {
    held_bytes_ -= slots_.front().reply.size();
    output_.append(slots_.front().reply);
    slots_.pop_front();
    ++first_slot_;
  }
}

}  // namespace alfheim::server
