#include "net/link_hub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"

namespace alfheim::net {
namespace {

// Connections that have not said who they are, or wait to be judged.
constexpr size_t kStrangersMax = 64;
// Hosts of which it is remembered what was said.
constexpr size_t kSaidMax = 64;

RefuseCode code_of(const base::Error& error) {
  if (error.code == base::ErrorCode::kNotFound) return RefuseCode::kNotAMember;
  if (error.code == base::ErrorCode::kAlreadyExists) return RefuseCode::kOtherData;
  return RefuseCode::kOther;
}

// What the links themselves know: version, cluster, whom it looks for. Words are empty where
// nothing speaks against it.
Refuse objection_to(const Hello& hello, const LinkOptions& own) {
  if (hello.version_min > kFrameVersion || hello.version_max < kFrameVersion) {
    return {RefuseCode::kNoCommonVersion,
            base::format("node {} speaks version {} of frames, the caller {} to {}", own.id.value,
                         kFrameVersion, hello.version_min, hello.version_max)};
  }
  if (own.cluster_uid == 0) {
    return {RefuseCode::kOther, base::format("node {} belongs to no cluster yet", own.id.value)};
  }
  const bool is_kin = hello.cluster_uid == own.cluster_uid || ALF_MUTANT(OtherClusterWelcome);
  if (hello.cluster_uid != 0 && !is_kin) {
    return {RefuseCode::kOtherCluster,
            base::format("node {} belongs to cluster {:016x}, the caller to {:016x}", own.id.value,
                         own.cluster_uid, hello.cluster_uid)};
  }
  if (hello.to.value != 0 && hello.to != own.id) {
    return {RefuseCode::kOtherNode, base::format("this is node {}, the caller looks for node {}",
                                                 own.id.value, hello.to.value)};
  }
  if (hello.from == own.id && own.id.value != 0) {
    return {RefuseCode::kOtherNode,
            base::format("node {} is called by a node of its own id", own.id.value)};
  }
  return {};
}

}  // namespace

LinkHub::LinkHub(Host& host, const LinkHands& hands, const LinkOptions& options)
    : host_(host), hands_(hands), options_(options) {}

LinkHub::~LinkHub() {
  for (const auto& [id, peer] : peers_) {
    for (const std::shared_ptr<LinkLane>& lane : {peer.urgent, peer.bulk}) {
      if (lane != nullptr) lane->abandon();
    }
  }
}

// ---- out ----

void LinkHub::set_peers(std::vector<PeerPlan> plans) {
  if (is_stopped_) return;
  std::map<base::NodeId, Peer> kept;
  for (PeerPlan& plan : plans) {
    const auto found = peers_.find(plan.endpoint.id);
    if (found == peers_.end()) continue;
    if (found->second.plan.endpoint != plan.endpoint) continue;
    kept.emplace(plan.endpoint.id, std::move(found->second));
    peers_.erase(found);
  }
  for (auto& [id, peer] : peers_) leave(peer);
  peers_ = std::move(kept);
  for (PeerPlan& plan : plans) {
    if (peers_.contains(plan.endpoint.id)) continue;
    const base::NodeId id = plan.endpoint.id;
    Peer& peer = peers_.emplace(id, make_peer(std::move(plan))).first->second;
    peer.urgent->start();
    peer.bulk->start();
  }
  for (const auto& link : incoming_) {
    if (link->is_welcome()) host_.ask(link, link->hello(), true);
  }
}

LinkHub::Peer LinkHub::make_peer(PeerPlan plan) {
  Peer peer;
  const auto make = [&](Lane lane) {
    return std::make_shared<LinkLane>(*this, hands_, options_, plan.endpoint, lane, plan.gauges);
  };
  peer.urgent = make(Lane::kUrgent);
  peer.bulk = make(Lane::kBulk);
  peer.plan = std::move(plan);
  return peer;
}

void LinkHub::leave(Peer& peer) {
  peer.urgent->stop();
  peer.bulk->stop();
  if (std::exchange(peer.is_connected, false)) {
    host_.tell_connected(peer.plan.endpoint.id, false);
  }
}

void LinkHub::send(const PeerMessage& message) {
  const base::NodeId to = receiver_of(message);
  const auto found = peers_.find(to);
  if (found == peers_.end()) return host_.tell_dropped(to);
  const Lane lane = ALF_MUTANT(UrgentBehindBulk) ? Lane::kBulk : lane_of(message);
  LinkLane& link = lane == Lane::kUrgent ? *found->second.urgent : *found->second.bulk;
  // Whatever is urgent is asked again by whoever wants it.
  if (!link.send(message) && lane == Lane::kBulk) host_.tell_dropped(to);
}

void LinkHub::on_lane_open(LinkLane& lane) {
  Peer& peer = peers_.at(lane.peer().id);
  if (!peer.urgent->is_open() || !peer.bulk->is_open()) return;
  ALF_CHECK(!peer.is_connected);
  peer.is_connected = true;
  if (!std::exchange(peer.trouble, {}).empty()) host_.tell_trouble(lane.peer().id, {}, nullptr);
  host_.tell_connected(lane.peer().id, true);
}

void LinkHub::on_lane_down(LinkLane& lane) {
  Peer& peer = peers_.at(lane.peer().id);
  if (std::exchange(peer.is_connected, false)) host_.tell_connected(lane.peer().id, false);
  // Where a heartbeat does not come through, megabytes do not either.
  if (&lane == peer.urgent.get()) peer.bulk->renew();
}

void LinkHub::on_lane_trouble(LinkLane& lane, const std::string& words, const Refuse* refuse) {
  Peer& peer = peers_.at(lane.peer().id);
  if (std::exchange(peer.trouble, words) == words) return;
  host_.tell_trouble(lane.peer().id, words, refuse);
}

// ---- in ----

std::shared_ptr<env::ConnectionHandler> LinkHub::accept(env::Connection& connection) {
  if (is_stopped_ || stranger_count() >= kStrangersMax) return nullptr;
  auto link = std::make_shared<LinkIncoming>(*this, hands_, options_, connection);
  incoming_.insert(link);
  link->begin();
  return link;
}

size_t LinkHub::stranger_count() const {
  return static_cast<size_t>(std::count_if(incoming_.begin(), incoming_.end(),
                                           [](const auto& link) { return !link->is_welcome(); }));
}

void LinkHub::on_hello(LinkIncoming& link) {
  const Refuse objection = objection_to(link.hello(), options_);
  if (!objection.words.empty()) return send_away(link, objection);
  host_.ask(link.shared_from_this(), link.hello(), false);
}

void LinkHub::judged(LinkIncoming& link, const base::Status& verdict, bool is_again) {
  if (is_stopped_) return;
  if (is_again) {
    if (verdict.is_ok() || !link.is_welcome()) return;
    tell_once(link, base::format("left: {}", verdict.error().message));
    link.close();
    on_incoming_gone(link);
    return;
  }
  if (verdict.is_ok()) return let_in(link);
  send_away(link, {code_of(verdict.error()), verdict.error().message});
}

void LinkHub::let_in(LinkIncoming& link) {
  const Hello& hello = link.hello();
  for (auto it = incoming_.begin(); it != incoming_.end();) {
    const std::shared_ptr<LinkIncoming> older = *it++;
    const bool is_same = hello.from.value != 0 && older->is_welcome() &&
                         older->hello().from == hello.from && older->hello().lane == hello.lane;
    if (!is_same || ALF_MUTANT(FormerConnectionCounts)) continue;
    older->close();
    incoming_.erase(older);
  }
  said_.erase(link.host_address());
  link.welcome();
  if (hello.lane == Lane::kBulk) link.set_reading(is_bulk_reading_);
  const auto peer = peers_.find(hello.from);
  if (peer == peers_.end()) return;
  peer->second.urgent->hurry();
  peer->second.bulk->hurry();
}

void LinkHub::send_away(LinkIncoming& link, const Refuse& refuse) {
  tell_once(link, base::format("refused: {}", refuse.words));
  link.refuse(refuse);
}

void LinkHub::on_messages(LinkIncoming& link, std::vector<PeerMessage> messages, size_t bytes) {
  const auto peer = peers_.find(link.hello().from);
  if (peer != peers_.end()) {
    LinkGauges& gauges = *peer->second.plan.gauges;
    gauges.received_count.fetch_add(messages.size(), std::memory_order_relaxed);
    gauges.received_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  host_.deliver(std::move(messages), bytes);
}

void LinkHub::set_bulk_reading(bool is_reading) {
  is_bulk_reading_ = is_reading;
  for (const auto& link : incoming_) {
    if (link->hello().lane == Lane::kBulk) link->set_reading(is_reading);
  }
}

void LinkHub::on_incoming_trouble(LinkIncoming& link, const std::string& words) {
  tell_once(link, base::format("{}; the connection is closed", words));
}

void LinkHub::tell_once(const LinkIncoming& link, const std::string& words) {
  if (said_.size() >= kSaidMax && !said_.contains(link.host_address())) said_.clear();
  const std::string line = base::format("link from {}: {}", link.describe(), words);
  if (std::exchange(said_[link.host_address()], line) != line) host_.tell_stranger(line);
}

void LinkHub::on_incoming_gone(LinkIncoming& link) { incoming_.erase(link.shared_from_this()); }

void LinkHub::stop() {
  if (std::exchange(is_stopped_, true)) return;
  for (auto& [id, peer] : peers_) leave(peer);
  peers_.clear();
  for (const auto& link : incoming_) link->close();
  incoming_.clear();
}

}  // namespace alfheim::net
