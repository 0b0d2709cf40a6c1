#include "server/peer_desk.h"

#include "base/format.h"
#include "server/option_text.h"
#include "server/options.h"

namespace alfheim::server {

void PeerDesk::on_message(net::PeerMessage message) {
  if (const auto* raft = std::get_if<raft::Message>(&message)) return hands_.replica.step(*raft);
  const auto& note = std::get<net::PeerNote>(message);
  hands_.replica.on_note(note.from, note.body);
  if (const auto* news = std::get_if<net::NodeNews>(&note.body)) on_news(note.from, *news);
  if (const auto* known = std::get_if<net::SentinelHosts>(&note.body)) {
    for (const std::string& host : known->hosts) hands_.sentinel_hosts.add(host);
  }
}

void PeerDesk::on_peer_disconnected(base::NodeId peer) {
  hands_.directory.set_connected(peer, false);
  hands_.replica.on_peer_lost(peer);
}

void PeerDesk::on_peer_connected(base::NodeId peer) {
  hands_.directory.set_connected(peer, true);
  hands_.on_directory_changed();
  // First: a node that is new knows nobody whom news could be of.
  if (net::MemberBook book = hands_.replica.roster().book(); !book.configuration.empty()) {
    send(peer, std::move(book));
  }
  net::NodeNews news;
  news.name = hands_.identity.name;
  news.resp_address = address_text(hands_.identity.resp);
  if (hands_.identity.http.port != 0) news.http_address = address_text(hands_.identity.http);
  news.is_in_lease_mode = hands_.replica.read_mode() == raft::ReadMode::kLease;
  send(peer, std::move(news));
  // It may have been away when they asked.
  if (net::SentinelHosts known{hands_.sentinel_hosts.all()}; !known.hosts.empty()) {
    send(peer, std::move(known));
  }
}

void PeerDesk::tell_sentinel_host(const std::string& host) {
  for (const net::PeerLinkStatus& link : hands_.transport.status()) {
    send(link.endpoint.id, net::SentinelHosts{{host}});
  }
}

void PeerDesk::send(base::NodeId to, net::NoteBody body) {
  hands_.transport.send(net::PeerNote{hands_.group, hands_.replica.id(), to, std::move(body)});
}

void PeerDesk::on_news(base::NodeId from, const net::NodeNews& news) {
  compare_modes(news);
  const auto address = parse_address(news.resp_address);
  if (!address) return;  // a node whose clients cannot reach it: requests wait for another leader
  NodeAddresses known = hands_.directory.find(from).value_or(NodeAddresses{});
  known.name = news.name;
  known.node_id = cluster_node_id(hands_.cluster_uid, from, hands_.group);
  known.resp = *address;
  // It listens everywhere: clients reach it where its peers do.
  known.settle_client_host();
  hands_.directory.put(from, std::move(known));
  hands_.on_directory_changed();
}

// It is safe, for a lease counts on those alone who promise; but whoever leads may have none.
void PeerDesk::compare_modes(const net::NodeNews& news) {
  const raft::ReadMode own = hands_.replica.read_mode();
  const raft::ReadMode theirs =
      news.is_in_lease_mode ? raft::ReadMode::kLease : raft::ReadMode::kReadIndex;
  if (theirs == own) return;
  hands_.on_trouble(
      base::format("node {} has --read-mode {}, this one {}: a leader reads by lease only where a "
                   "majority, itself included, is in lease mode; give all members the same",
                   news.name, read_mode_name(theirs), read_mode_name(own)));
}

}  // namespace alfheim::server
