#include "server/reply_queue.h"

#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::server {

uint64_t ReplyQueue::add_pending(bool is_muted) {
  slots_.push_back(Slot{.is_muted = is_muted});
  if (is_muted) ++muted_count_;
  ++pending_count_;
  return first_slot_ + slots_.size() - 1;
}

void ReplyQueue::add_ready(base::ByteView reply, bool is_muted) {
  if (slots_.empty()) {
    if (!is_muted) output_.append(reply);
    return;
  }
  slots_.push_back(Slot{.is_ready = true, .is_muted = is_muted});
  if (is_muted) ++muted_count_;
  if (!is_muted) hold(first_slot_ + slots_.size() - 1, reply);
}

void ReplyQueue::fill(uint64_t number, base::ByteView reply) {
  Slot& slot = take_pending(number);
  if (number == first_slot_ || ALF_MUTANT(ReplySlotsSwapped)) {
    if (!slot.is_muted) output_.append(reply);
    pop();
    return drain();
  }
  slot.is_ready = true;
  if (!slot.is_muted) hold(number, reply);
}

void ReplyQueue::fill_whole(uint64_t number, Whole reply) {
  Slot& slot = take_pending(number);
  if (number == first_slot_) {
    if (!slot.is_muted) add_whole(std::move(reply));
    pop();
    return drain();
  }
  slot.is_ready = true;
  if (slot.is_muted) return;
  held_bytes_ += reply->size();
  ALF_CHECK(held_.emplace(number, std::move(reply)).second);
}

ReplyQueue::Slot& ReplyQueue::take_pending(uint64_t number) {
  ALF_CHECK(number >= first_slot_);
  ALF_CHECK(number - first_slot_ < slots_.size());
  Slot& slot = slots_[number - first_slot_];
  ALF_CHECK(!slot.is_ready);
  --pending_count_;
  return slot;
}

void ReplyQueue::add_whole(Whole reply) {
  if (!output_.empty()) {
    piece_bytes_ += output_.size();
    pieces_.push_back(std::make_shared<const base::Bytes>(std::move(output_)));
    output_.clear();
  }
  piece_bytes_ += reply->size();
  pieces_.push_back(std::move(reply));
}

std::vector<ReplyQueue::Whole> ReplyQueue::take_pieces() {
  piece_bytes_ = 0;
  return std::exchange(pieces_, {});
}

void ReplyQueue::fill_run(uint64_t first, base::ByteView bytes, size_t begin,
                          std::span<const size_t> ends) {
  if (first == first_slot_ && muted_count_ == 0) {
    ALF_CHECK(ends.size() <= slots_.size());
    for (size_t i = 0; i < ends.size(); ++i) {
      ALF_CHECK(!slots_.front().is_ready);
      pop();
    }
    pending_count_ -= ends.size();
    if (!ends.empty()) output_.append(bytes.substr(begin, ends.back() - begin));
    return drain();
  }
  for (const size_t end : ends) {
    fill(first++, bytes.substr(begin, end - begin));
    begin = end;
  }
}

void ReplyQueue::mute_from(uint64_t number) {
  ALF_CHECK(number >= first_slot_);
  ALF_CHECK(number - first_slot_ < slots_.size());
  for (; number < next_slot(); ++number) {
    Slot& slot = slots_[number - first_slot_];
    if (slot.is_muted) continue;
    slot.is_muted = true;
    ++muted_count_;
    const auto reply = held_.find(number);
    if (reply == held_.end()) continue;
    const auto* const whole = std::get_if<Whole>(&reply->second);
    held_bytes_ -=
        whole != nullptr ? (*whole)->size() : std::get<base::Bytes>(reply->second).size();
    held_.erase(reply);
  }
}

void ReplyQueue::hold(uint64_t slot, base::ByteView reply) {
  held_bytes_ += reply.size();
  ALF_CHECK(held_.emplace(slot, base::Bytes(reply)).second);
}

void ReplyQueue::pop() {
  if (slots_.front().is_muted) --muted_count_;
  slots_.pop_front();
  ++first_slot_;
}

void ReplyQueue::release_idle() {
  ALF_CHECK(slots_.empty());
  ALF_CHECK(ready_bytes() == 0);
  // Not "= {}", which empties some of them and keeps their memory.
  slots_ = std::deque<Slot>();
  held_ = absl::flat_hash_map<uint64_t, Held>();
  base::Bytes().swap(output_);  // a string that is assigned an empty one keeps its memory
}

void ReplyQueue::drain() {
  while (!slots_.empty() && slots_.front().is_ready) {
    if (!slots_.front().is_muted) {
      const auto reply = held_.find(first_slot_);
      ALF_CHECK(reply != held_.end());
      Held ready = std::move(reply->second);
      held_.erase(reply);
      if (auto* const whole = std::get_if<Whole>(&ready)) {
        held_bytes_ -= (*whole)->size();
        add_whole(std::move(*whole));
      } else {
        const base::Bytes& bytes = std::get<base::Bytes>(ready);
        held_bytes_ -= bytes.size();
        output_.append(bytes);
      }
    }
    pop();
  }
}

}  // namespace alfheim::server
