// What a session holds in memory, and when it gives it back (server/session.h,
// server/client_memory.h).
#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "server/session.h"
#include "server/session_host.h"

namespace alfheim::server {

uint64_t Session::held_bytes() const {
  uint64_t bytes = cutter_.memory_bytes() + replies_.memory_bytes() + connection_.unsent_bytes() +
                   transaction_.memory_bytes() + pool_reads_.request_bytes + sent_.bytes +
                   watching_bytes_ + pool_reads_.count * pool_reads_.reply_bytes;
  if (upstream_.tunnel != nullptr) {
    bytes += upstream_.tunnel->memory_bytes() + upstream_.encoding_bytes;
  }
  if (scratch_.capacity() > sizeof(scratch_)) bytes += scratch_.capacity();  // else it is inside
  if (stalled_ && stalled_->request) bytes += stalled_->request->size_bytes();
  if (block_) {
    for (const QueuedCommand& queued : block_->session_commands) {
      bytes += sizeof(queued) + queued.request.size_bytes();
    }
  }
  return bytes;
}

void Session::note_memory() {
  if (stream_ == Stream::kClosed) return;
  memory_.account.set(held_bytes(), *state_.info);
  if (host_.services().client_memory.is_over()) host_.relieve_later();
}

// Only one that has replies to get rid of: when they are out, it is looked at again. What is
// held by half a request becomes less by reading on, not by waiting.
bool Session::must_wait_for_memory() const {
  if (!host_.services().client_memory.must_wait(memory_.account.bytes())) return false;
  return connection_.unsent_bytes() > 0 || replies_.has_pending() || is_owed_upstream();
}

// Above the budget the largest are about to be closed. Hundreds that are read in the turn before
// would add as much again.
std::span<char> Session::read_buffer() {
  const std::span<char> room = cutter_.room();
  const ClientMemory& memory = host_.services().client_memory;
  const bool is_large = memory_.account.bytes() > ClientMemory::kFreeBytes;
  if (!is_large || !memory.is_over()) return room;
  return room.first(std::min(room.size(), resp::RequestCutter::kRoomBytesMin));
}

void Session::note_sent(uint64_t slot, uint64_t bytes) {
  ALF_CHECK(sent_.parts.empty() || sent_.parts.back().first < slot);
  sent_.parts.emplace_back(slot, bytes);
  sent_.bytes += bytes;
}

// Mostly of the oldest; what the core refused may be answered before it.
void Session::note_answered(uint64_t first_slot, size_t count) {
  const auto is_before = [](const auto& part, uint64_t slot) { return part.first < slot; };
  const auto begin =
      std::lower_bound(sent_.parts.begin(), sent_.parts.end(), first_slot, is_before);
  const auto end = std::lower_bound(begin, sent_.parts.end(), first_slot + count, is_before);
  for (auto part = begin; part != end; ++part) sent_.bytes -= part->second;
  sent_.parts.erase(begin, end);
}

// Called before and after what may change it. Where the client does not take its replies, not
// even a part, the server stopped reading for its sake, and the time counts.
void Session::note_pace(uint64_t now_ms) {
  BodyPace& pace = memory_.pace;
  const uint64_t passed_ms = now_ms - std::min(now_ms, pace.noted_ms);
  const size_t unsent = connection_.unsent_bytes();
  const bool takes_replies = unsent == 0 || unsent < pace.unsent_bytes;
  if ((is_paused_ || memory_.body.is_waiting) && takes_replies) pace.since_ms += passed_ms;
  pace.noted_ms = now_ms;
  pace.unsent_bytes = unsent;
}

// A request of many megabytes was executed and nothing is read for now: its buffer would lie
// here for nothing, beside what was made of it.
void Session::release_large_input() {
  if (cutter_.capacity_bytes() <= resp::RequestCutter::kReadBytes) return;
  cutter_.release_idle();
}

void Session::reclaim_request() {
  if (!cutter_.is_request_given() || cutter_.memory_bytes() < Reclaimer::kLargeBytes) return;
  if (auto taken = cutter_.take_request()) host_.reclaimer().destroy(std::move(*taken));
}

void Session::reclaim_all() {
  if (held_bytes() < Reclaimer::kLargeBytes) return;
  host_.reclaimer().destroy(
      std::tuple(cutter_.take_all(), std::move(stalled_), std::move(block_), std::move(replies_)));
}

void Session::release_idle() {
  if (stream_ != Stream::kOpen || !is_idle() || connection_.unsent_bytes() > 0) return;
  if (cutter_.bytes_unconsumed() > 0) return;
  const bool keeps_nothing = cutter_.capacity_bytes() == 0 && replies_.is_released() &&
                             scratch_.capacity() <= sizeof(scratch_);  // else it is inside
  if (keeps_nothing) return;
  base::Bytes().swap(scratch_);  // assigning an empty string would keep the memory
  replies_.release_idle();
  cutter_.release_idle();
  note_memory();
}

}  // namespace alfheim::server
