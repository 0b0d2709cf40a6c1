#include "replica/batcher.h"

#include <utility>

#include "base/check.h"

namespace alfheim::replica {

void Batcher::set_header(const machine::PayloadHeader& header) {
  const std::lock_guard lock(mutex_);
  header_ = header;
  // What is open keeps the header that its operations were added under.
  if (!open_.empty()) open_.emplace_back();
}

Batcher::Open& Batcher::open_for(size_t body_bytes) {
  ALF_CHECK(body_bytes <= kInlineBodyBytesMax);
  if (open_.empty()) open_.emplace_back();
  const size_t size = open_.back().builder.size_bytes();
  if (size > 0 && size + body_bytes > kBatchBytesMax) open_.emplace_back();
  Open& open = open_.back();
  if (!open.builder.is_started()) {
    // As large as the last: growing step by step costs more than the operations.
    open.builder.start(header_, last_.payload_bytes);
    open.batch.waiters.reserve(last_.waiter_count);
  }
  return open;
}

void Batcher::added(size_t bytes) {
  queued_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  has_work_.store(true, std::memory_order_release);
}

void Batcher::add_call(const machine::CallView& call, size_t body_bytes, bool is_read,
                       const ReplyTo& waiter) {
  const std::lock_guard lock(mutex_);
  Open& open = open_for(body_bytes);
  open.builder.add_call(call, is_read, body_bytes);
  open.batch.waiters.push_back(waiter);
  added(body_bytes);
}

void Batcher::add_body(machine::OperationKind kind, base::ByteView body, const ReplyTo& waiter) {
  const std::lock_guard lock(mutex_);
  Open& open = open_for(body.size());
  open.builder.add_body(kind, 0, body);
  open.batch.waiters.push_back(waiter);
  added(body.size());
}

void Batcher::add_large(LargeOperation large) {
  ALF_CHECK(large.body_bytes > kInlineBodyBytesMax);
  const size_t bytes = large.body_bytes;
  const std::lock_guard lock(mutex_);
  large_.push_back(std::move(large));
  added(bytes);
}

void Batcher::add_follower(const ReplyTo& waiter) {
  const std::lock_guard lock(mutex_);
  followers_.push_back(waiter);
  added(0);
}

Batch Batcher::make_fragmented(const LargeOperation& large, base::ByteView fragment_list) const {
  uint8_t flags = machine::kOperationIsFragments;
  if (large.is_read) flags |= machine::kOperationIsRead;
  machine::BatchBuilder builder;
  {
    const std::lock_guard lock(mutex_);
    builder.start(header_);
  }
  builder.add_body(large.kind, flags, fragment_list);
  Batch batch;
  batch.payload = builder.take();
  batch.waiters.push_back(large.waiter);
  return batch;
}

std::vector<Batch> Batcher::take_batches(size_t bytes_max) {
  std::vector<Batch> taken;
  size_t bytes = 0;
  const std::lock_guard lock(mutex_);
  while (!open_.empty()) {
    Open& open = open_.front();
    if (!open.builder.is_started()) {
      open_.pop_front();
      continue;
    }
    if (!taken.empty() && bytes + open.builder.size_bytes() > bytes_max) break;
    open.batch.payload = open.builder.take();
    bytes += open.batch.payload.size();
    last_ = {open.batch.payload.size(), open.batch.waiters.size()};
    taken.push_back(std::move(open.batch));
    open_.pop_front();
  }
  if (!followers_.empty()) {
    // They wait for log time to move: the last entry taken, or a tick.
    if (taken.empty()) taken.emplace_back();
    taken.back().followers = std::move(followers_);
    followers_.clear();
  }
  if (open_.empty() && large_.empty()) {
    queued_bytes_.store(0, std::memory_order_relaxed);
    has_work_.store(false, std::memory_order_release);
  } else {
    uint64_t queued = 0;
    for (const Open& open : open_) queued += open.builder.size_bytes();
    for (const LargeOperation& large : large_) queued += large.body_bytes;
    queued_bytes_.store(queued, std::memory_order_relaxed);
  }
  return taken;
}

std::vector<ReplyTo> Batcher::take_followers() {
  const std::lock_guard lock(mutex_);
  return std::exchange(followers_, {});
}

bool Batcher::take_large(LargeOperation& large) {
  const std::lock_guard lock(mutex_);
  if (large_.empty()) return false;
  large = std::move(large_.front());
  large_.pop_front();
  return true;
}

}  // namespace alfheim::replica
