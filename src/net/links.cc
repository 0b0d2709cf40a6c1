#include "net/links.h"

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::net {

Links::Links(const LinkHands& hands, LinkOptions options)
    : hands_(hands), options_(std::move(options)), hub_(*this, hands_, options_) {
  ALF_CHECK(options_.judge != nullptr);
  ALF_CHECK(options_.back_off_ms_min > 0);
  ALF_CHECK(options_.back_off_ms_min <= options_.back_off_ms_max);
  // Else a frame would never find room.
  ALF_CHECK(options_.bulk_bytes_max >= 2 * kFrameBytesMax);
}

Links::~Links() = default;

env::AcceptHandler Links::acceptor() {
  return [this](env::Strand& strand, env::Connection& connection) {
    ALF_CHECK_MSG(&strand == &hands_.io, "links live on one strand");
    return hub_.accept(connection);
  };
}

void Links::stop() {
  is_stopped_ = true;
  receiver_ = nullptr;
  hands_.io.post([this] { hub_.stop(); });
}

// ---- from the core ----

void Links::send(PeerMessage message) {
  if (is_stopped_) return;
  const base::NodeId to = receiver_of(message);
  ALF_CHECK(to.value != 0);
  ALF_CHECK(to != options_.id);
  const size_t bytes = size_of(message);
  if (handed_bytes_.load() + bytes > options_.handed_bytes_max) {
    const auto known = known_.find(to);
    if (known != known_.end()) known->second.gauges->dropped_count.fetch_add(1);
    return tell_dropped(to);
  }
  handed_bytes_.fetch_add(bytes);
  hands_.io.post([this, bytes, message = std::move(message)] {
    handed_bytes_.fetch_sub(bytes);
    hub_.send(message);
  });
}

void Links::set_peers(std::vector<PeerEndpoint> peers) {
  if (is_stopped_) return;
  std::map<base::NodeId, Known> known;
  std::vector<LinkHub::PeerPlan> plans;
  for (PeerEndpoint& peer : peers) {
    ALF_CHECK(peer.id != options_.id);
    Known& entry = known[peer.id];
    ALF_CHECK_MSG(entry.gauges == nullptr, "a peer is named once");
    if (const auto found = known_.find(peer.id); found != known_.end()) {
      entry = std::move(found->second);
    } else {
      entry.gauges = std::make_shared<LinkGauges>();
    }
    entry.endpoint = peer;
    plans.push_back({.endpoint = std::move(peer), .gauges = entry.gauges});
  }
  // Whoever is left out is told as disconnected when the hub has left it.
  for (auto& [id, entry] : known_) {
    if (!known.contains(id) && entry.is_connected && receiver_ != nullptr) {
      hands_.core.post([this, id = id] {
        if (receiver_ != nullptr) receiver_->on_peer_disconnected(id);
      });
    }
  }
  known_ = std::move(known);
  hands_.io.post([this, plans = std::move(plans)]() mutable { hub_.set_peers(std::move(plans)); });
}

std::vector<PeerLinkStatus> Links::status() const {
  std::vector<PeerLinkStatus> all;
  for (const auto& [id, known] : known_) {
    const LinkGauges& gauges = *known.gauges;
    all.push_back({.endpoint = known.endpoint,
                   .is_connected = known.is_connected,
                   .unsent_bytes = gauges.unsent_bytes[0].load() + gauges.unsent_bytes[1].load(),
                   .connect_count = known.connect_count,
                   .sent_count = gauges.sent_count.load(),
                   .sent_bytes = gauges.sent_bytes.load(),
                   .dropped_count = gauges.dropped_count.load(),
                   .received_count = gauges.received_count.load(),
                   .received_bytes = gauges.received_bytes.load(),
                   .trouble = known.trouble});
  }
  return all;
}

// ---- from io to the core ----

void Links::deliver(std::vector<PeerMessage> messages, size_t bytes) {
  const size_t waiting = undelivered_bytes_.fetch_add(bytes) + bytes;
  if (waiting > options_.undelivered_bytes_max && !is_bulk_paused_.exchange(true)) {
    hub_.set_bulk_reading(false);
  }
  hands_.core.post([this, bytes, messages = std::move(messages)]() mutable {
    on_delivered(std::move(messages), bytes);
  });
}

void Links::on_delivered(std::vector<PeerMessage> messages, size_t bytes) {
  for (PeerMessage& message : messages) {
    if (receiver_ != nullptr) receiver_->on_message(std::move(message));
  }
  const size_t waiting = undelivered_bytes_.fetch_sub(bytes) - bytes;
  if (waiting > options_.undelivered_bytes_max / 2 || !is_bulk_paused_.exchange(false)) return;
  hands_.io.post([this] { hub_.set_bulk_reading(true); });
}

void Links::tell_connected(base::NodeId peer, bool is_connected) {
  hands_.core.post([this, peer, is_connected] { on_connected(peer, is_connected); });
}

void Links::on_connected(base::NodeId peer, bool is_connected) {
  const auto found = known_.find(peer);
  if (found == known_.end()) return;  // no peer any more
  Known& known = found->second;
  if (std::exchange(known.is_connected, is_connected) == is_connected) return;
  if (is_connected) {
    ++known.connect_count;
    known.refusal.clear();
  }
  if (receiver_ == nullptr) return;
  if (is_connected) {
    receiver_->on_peer_connected(peer);
  } else {
    receiver_->on_peer_disconnected(peer);
  }
}

void Links::tell_dropped(base::NodeId to) {
  hands_.core.post([this, to] {
    if (receiver_ != nullptr) receiver_->on_dropped(to);
  });
}

void Links::tell_trouble(base::NodeId peer, const std::string& words, const Refuse* refuse) {
  hands_.core.post(
      [this, peer, words,
       refuse = refuse == nullptr ? std::optional<Refuse>() : std::optional<Refuse>(*refuse)] {
        on_trouble(peer, words, refuse ? &*refuse : nullptr);
      });
}

void Links::on_trouble(base::NodeId peer, const std::string& words, const Refuse* refuse) {
  const auto found = known_.find(peer);
  if (found == known_.end() || is_stopped_) return;
  Known& known = found->second;
  known.trouble = words;
  if (words.empty()) return;
  if (options_.on_trouble) {
    options_.on_trouble(base::format("link to node {} at {}:{}: {}", peer.value,
                                     known.endpoint.address.host, known.endpoint.address.port,
                                     words));
  }
  if (refuse == nullptr || std::exchange(known.refusal, refuse->words) == refuse->words) return;
  if (options_.on_refused) options_.on_refused(peer, *refuse);
}

void Links::tell_stranger(const std::string& words) {
  hands_.core.post([this, words] {
    if (options_.on_trouble && !is_stopped_) options_.on_trouble(words);
  });
}

void Links::ask(std::shared_ptr<LinkIncoming> link, Hello hello, bool is_again) {
  hands_.core.post([this, link = std::move(link), hello = std::move(hello), is_again]() mutable {
    if (is_stopped_) return;
    base::Status verdict = options_.judge(hello);
    hands_.io.post([this, link = std::move(link), verdict = std::move(verdict), is_again] {
      hub_.judged(*link, verdict, is_again);
    });
  });
}

}  // namespace alfheim::net
