// Node: how it finds its peers, and they it (server/assemble.h).
#include <algorithm>
#include <utility>

#include "base/format.h"
#include "server/assemble.h"
#include "server/join.h"
#include "server/option_text.h"

namespace alfheim::server {
namespace {

constexpr base::GroupId kGroup{1};

}  // namespace

base::Status Node::ask_to_join() {
  const GroupOptions& group = config_.startup().group;
  engine_.join_loop = std::make_unique<net::Loop>();
  ALF_TRY_STATUS(engine_.join_loop->open());
  net::TcpNetwork network(
      {engine_.join_loop.get()},
      {.on_trouble = events_.on_trouble, .patience = {}, .names = engine_.executor.get()});
  const std::unique_ptr<net::TlsNetwork> tls = under_tls(network);
  env::Network& peers = tls == nullptr ? static_cast<env::Network&>(network) : *tls;
  const auto answer = server::ask_to_join({.network = peers,
                                           .loop = *engine_.join_loop,
                                           .random = random_,
                                           .clock = clock_,
                                           .member = *parse_address(group.join),
                                           .id = node_id_of(group.id),
                                           .name = group.id,
                                           .on_progress = events_.on_progress,
                                           .is_stop_wanted = events_.is_shutdown_wanted});
  engine_.join_loop->drop_tasks();
  if (!answer) return answer.error();
  origin_.joined_cluster = *answer;
  events_.on_progress(base::format("let in to cluster {:016x}", *answer));
  return base::ok();
}

// It decides alone, as far as it knows before it has read its log.
bool Node::is_alone() const { return !replica_->needs_barrier(); }

// Others can be added to a group of one, and then must find its founder.
std::vector<raft::Member> Node::founding_members() const {
  if (origin_.has_joined()) return {};
  const GroupOptions& group = config_.startup().group;
  if (origin_.founders.empty()) {
    return {{.id = node_id_of(group.id),
             .name = group.id,
             .address = address_text(identity_.raft),
             .data_uid = storage_.node.data_uid}};
  }
  std::vector<raft::Member> members;
  for (const Founder& founder : origin_.founders) {
    members.push_back({.id = node_id_of(founder.name),
                       .name = founder.name,
                       .address = address_text(founder.address)});
  }
  return members;
}

void Node::open_links() {
  const vlog::Identity stored = storage_.log->identity();
  net::LinkOptions options;
  options.id = stored.node;
  options.name = config_.startup().group.id;
  options.cluster_uid = stored.cluster_uid;
  options.data_uid = storage_.node.data_uid;
  options.judge = [this](const net::Hello& hello) { return replica_->roster().admit(hello); };
  options.on_trouble = events_.on_trouble;
  options.on_refused = [this](base::NodeId peer, const net::Refuse& refuse) {
    events_.on_trouble(base::format("node {:016x} refuses us: {}", peer.value, refuse.words));
  };
  links_ = std::make_unique<net::Links>(
      net::LinkHands{peer_network(), *engine_.loops[0], *engine_.loops[0], random_, clock_},
      std::move(options));
}

// What needs both the replica and the links.
void Node::join_links() {
  const vlog::Identity stored = storage_.log->identity();
  const auto tell_sessions = [this] {
    for (const auto& host : clients_.hosts) host->on_leader_changed();
  };
  peer_desk_ = std::make_unique<PeerDesk>(
      PeerDesk::Hands{*replica_, *links_, directory_, sentinel_hosts_, identity_, kGroup,
                      stored.cluster_uid, tell_sessions, events_.on_trouble});
  sentinel_hosts_.set_announce([this](const std::string& host) {
    engine_.loops[0]->post([this, host] { peer_desk_->tell_sentinel_host(host); });
  });
  engine_.loops[0]->post([this] {
    links_->set_receiver(peer_desk_.get());
    follow_members();
    engine_.raft_listener->start_accepting();
  });
}

// Links, and what is known of where nodes are, follow the membership.
void Node::follow_members() {
  const vlog::Identity stored = storage_.log->identity();
  std::vector<net::PeerEndpoint> peers;
  const auto put = [&](base::NodeId id, const std::string& name, const env::PeerAddress& raft) {
    const bool is_self = id == stored.node;
    NodeAddresses addresses = directory_.find(id).value_or(NodeAddresses{
        .resp = is_self ? identity_.resp : env::PeerAddress{}, .is_connected = is_self});
    addresses.name = name;
    addresses.node_id = cluster_node_id(stored.cluster_uid, id, kGroup);
    addresses.raft = raft;
    if (!is_self) addresses.settle_client_host();
    directory_.put(id, std::move(addresses));
  };
  put(stored.node, identity_.name, identity_.raft);
  for (const raft::Member& member : replica_->roster().linked()) {
    const auto address = parse_address(member.address);
    if (!address) {
      events_.on_trouble(base::format("member {} has the address \"{}\": nobody can reach it there",
                                      member.name, member.address));
      continue;
    }
    put(member.id, member.name, *address);
    peers.push_back(net::PeerEndpoint{member.id, *address});
  }
  directory_.remove(replica_->roster().retired());
  links_->set_peers(std::move(peers));
}

}  // namespace alfheim::server
