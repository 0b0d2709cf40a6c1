#include "replica/peer_outbox.h"

#include <optional>
#include <utility>

#include "base/check.h"

namespace alfheim::replica {
namespace {

// Whether another entry may go into the message (raft/message.h, bytes_max).
bool has_room(const raft::Append& append, uint64_t bytes) {
  return append.bytes_max == 0 || append.entries.empty() || bytes <= append.bytes_max;
}

// A message that names a whole range must carry it; one that may be cut carries what there is.
bool is_complete(const raft::Append& append) {
  if (append.bytes_max > 0) return !append.entries.empty() || append.last == append.previous;
  return append.previous.plus(append.entries.size()) == append.last;
}

}  // namespace

void PeerOutbox::note_entries(std::span<const raft::Entry> entries) {
  if (hands_.transport == nullptr) return;
  for (const raft::Entry& entry : entries) {
    while (!undurable_.empty() && undurable_.back().index >= entry.index) undurable_.pop_back();
    ALF_CHECK(undurable_.empty() || undurable_.back().index.next() == entry.index);
    undurable_.push_back(entry);
  }
}

void PeerOutbox::note_durable(base::LogIndex last) {
  while (!undurable_.empty() && undurable_.front().index <= last) undurable_.pop_front();
}

void PeerOutbox::send(raft::Message message) {
  if (hands_.transport == nullptr) return;
  auto* append = std::get_if<raft::Append>(&message.body);
  if (append == nullptr || append->last == append->previous) {
    return hands_.transport->send(net::PeerMessage(std::move(message)));
  }
  switch (fill(*append)) {
    case Fill::kWhole: return hands_.transport->send(net::PeerMessage(std::move(message)));
    case Fill::kCold: return read_cold(std::move(message));
    case Fill::kGone: return;
  }
}

PeerOutbox::Fill PeerOutbox::fill(raft::Append& append) const {
  uint64_t bytes = 0;
  for (base::LogIndex index = append.previous.next(); index <= append.last; index = index.next()) {
    std::optional<raft::Entry> entry;
    if (!undurable_.empty() && index >= undurable_.front().index) {
      const uint64_t position = index.value - undurable_.front().index.value;
      if (position >= undurable_.size()) return Fill::kGone;
      entry = undurable_[position];
    } else {
      base::Result<raft::Entry> found = hands_.log.read_entry(index, env::ReadMode::kMemoryOnly);
      if (!found) {
        const bool is_cold = found.error().code == base::ErrorCode::kWouldBlock;
        append.entries.clear();
        return is_cold ? Fill::kCold : Fill::kGone;
      }
      entry = std::move(found).value();
    }
    bytes += entry->bytes().size();
    if (!has_room(append, bytes)) break;
    append.entries.push_back(std::move(*entry));
  }
  return is_complete(append) ? Fill::kWhole : Fill::kGone;
}

// The core goes on meanwhile. What the log says by then may be another leader's: such entries bear
// a higher term than the message, which is therefore no longer current.
void PeerOutbox::read_cold(raft::Message message) {
  if (!reading_.insert(message.to).second) return;  // raft asks again
  hands_.executor.post_to_pool(env::Lane::kShort, [this, message = std::move(message)]() mutable {
    raft::Append& append = std::get<raft::Append>(message.body);
    vlog::EntryCursor cursor = hands_.log.cursor(append.previous.next());
    uint64_t bytes = 0;
    while (append.previous.plus(append.entries.size()) < append.last) {
      base::Result<std::optional<raft::Entry>> entry = cursor.next();
      // Gone, or not readable: whoever applies or scrubs it says so; the peer waits.
      if (!entry || !*entry) break;
      bytes += (*entry)->bytes().size();
      if (!has_room(append, bytes)) break;
      append.entries.push_back(std::move(**entry));
    }
    hands_.core.post([this, message = std::move(message)]() mutable {
      reading_.erase(message.to);
      const raft::Append& filled = std::get<raft::Append>(message.body);
      if (!is_current_(message.term) || !is_complete(filled)) return;
      hands_.transport->send(net::PeerMessage(std::move(message)));
    });
  });
}

}  // namespace alfheim::replica
