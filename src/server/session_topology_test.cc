// What a member of a group of three answers to those who look for the leader: CLUSTER and SENTINEL,
// byte for byte, in each state that it may be in. Line ends are shown as spaces, and the nodes'
// ids, of 40 digits each, as <1>, <2> and <3>.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/session_leader_testing.h"

namespace alfheim::server {
namespace {

class SessionTopologyTest : public SessionLeaderTest {
 protected:
  std::string ask(const std::vector<std::string>& words) {
    TestClient client(node);
    std::string reply = client.call(words);
    if (reply.empty()) {  // nobody is known to lead: it waits, three seconds at most
      node.run_for_ms(4'100);
      reply = client.connection().take();
    }
    std::string flat;
    for (const char each : reply) {
      if (each != '\r') flat += each == '\n' ? ' ' : each;
    }
    for (const auto& [id, short_id] : ids_) {
      for (size_t at; (at = flat.find(id)) != std::string::npos;) {
        flat.replace(at, id.size(), short_id);
      }
    }
    return flat;
  }
  void lose_the_link_to(base::NodeId id) { node.directory().set_connected(id, false); }
  // By the rival, which leads: this node is a member no more.
  void be_removed() {
    lose_leadership();
    const raft::NodeStatus before = status();
    raft::Configuration others = before.configuration;
    std::erase(others.voters, base::NodeId{1});
    std::erase_if(others.members, [](const auto& each) { return each.id == base::NodeId{1}; });
    others.retired.push_back(base::NodeId{1});
    const base::Term term = before.hard_state.term;
    const raft::Entry entry{
        .index = before.last.next(),
        .term = term,
        .kind = raft::EntryKind::kConfiguration,
        .payload = std::make_shared<const base::Bytes>(raft::encode_configuration(others))};
    step(kRival, raft::Append{.previous = before.last,
                              .previous_term = term,
                              .last = entry.index,
                              .commit = entry.index,
                              .entries = {entry}});
    status();  // it is noted with the next tick
    ASSERT_TRUE(node.replica().is_removed());
  }

 private:
  const std::vector<std::pair<std::string, std::string>> ids_ = {
      {"0123456789abcdef0123456789abcdef01234567", "<1>"},
      {std::string(40, '2'), "<2>"},
      {std::string(40, '3'), "<3>"}};
};

constexpr char kNode1[] = "*4 $9 127.0.0.1 :6379 $40 <1> *0 ";
constexpr char kNode2[] = "*4 $8 10.0.0.2 :6379 $40 <2> *0 ";
constexpr char kNode3[] = "*4 $8 10.0.0.3 :6379 $40 <3> *0 ";
// What SENTINEL says of each instance's pings: there are none.
const std::string kPings =
    "$21 link-pending-commands $1 0 $13 link-refcount $1 1 $14 last-ping-sent $1 0 "
    "$18 last-ok-ping-reply $1 0 $15 last-ping-reply $1 0 $23 down-after-milliseconds $4 1000 ";
constexpr char kInfoEnd[] =
    "cluster_stats_messages_sent:0 cluster_stats_messages_received:0 "
    "total_cluster_links_buffer_limit_exceeded:0  ";

std::string slots_of(const std::vector<std::string>& nodes) {
  std::string text = "*1 *" + std::to_string(2 + nodes.size()) + " :0 :16383 ";
  for (const std::string& each : nodes) text += each;
  return text;
}

std::string shards_node(const std::string& id, const std::string& host, const std::string& role,
                        int offset, const std::string& health) {
  const std::string ip = "$" + std::to_string(host.size()) + " " + host;
  return "*14 $2 id $40 " + id + " $4 port :6379 $2 ip " + ip + " $8 endpoint " + ip +
         " $4 role $" + std::to_string(role.size()) + " " + role +
         " $18 replication-offset :" + std::to_string(offset) + " $6 health $6 " + health + " ";
}

const std::string kShards = "*1 *4 $5 slots *2 :0 :16383 $5 nodes *3 ";

std::string info_of(const std::string& length, const std::string& state, int term) {
  const std::string epoch = std::to_string(term);
  return "$" + length + " cluster_state:" + state +
         " cluster_slots_assigned:16384 cluster_slots_ok:16384 cluster_slots_pfail:0 "
         "cluster_slots_fail:0 cluster_known_nodes:3 cluster_size:1 cluster_current_epoch:" +
         epoch + " cluster_my_epoch:" + epoch + " " + kInfoEnd;
}

TEST_F(SessionTopologyTest, ALeaderIsTheMasterAndStandsFirst) {
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), slots_of({kNode1, kNode2, kNode3}));
  EXPECT_EQ(ask({"CLUSTER", "SHARDS"}), kShards +
                                            shards_node("<1>", "127.0.0.1", "master", 1, "online") +
                                            shards_node("<2>", "10.0.0.2", "replica", 1, "online") +
                                            shards_node("<3>", "10.0.0.3", "replica", 0, "online"));
  EXPECT_EQ(ask({"CLUSTER", "NODES"}),
            "$341 <1> 127.0.0.1:6379@7379 myself,master - 0 0 1 connected 0-16383 "
            "<2> 10.0.0.2:6379@0 slave <1> 0 0 1 connected "
            "<3> 10.0.0.3:6379@0 slave <1> 0 0 1 connected  ");
  EXPECT_EQ(ask({"CLUSTER", "INFO"}), info_of("312", "ok", 1));
  EXPECT_EQ(ask({"CLUSTER", "REPLICAS", std::string(40, '3')}),
            "-ERR The specified node is not a master ");
  EXPECT_EQ(ask({"CLUSTER", "REPLICAS", "someone"}), "-ERR Unknown node someone ");
  EXPECT_EQ(ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}), "*2 $9 127.0.0.1 $4 6379 ");
  EXPECT_EQ(ask({"SENTINEL", "MASTERS"}),
            "*1 *40 $4 name $8 mymaster $2 ip $9 127.0.0.1 $4 port $4 6379 $5 runid $40 <1> "
            "$5 flags $6 master " +
                kPings +
                "$12 info-refresh $1 0 $13 role-reported $6 master "
                "$18 role-reported-time $1 0 $12 config-epoch $1 1 $10 num-slaves $1 2 "
                "$19 num-other-sentinels $1 2 $6 quorum $1 2 $16 failover-timeout $4 2000 "
                "$14 parallel-syncs $1 2 ");
  EXPECT_EQ(ask({"SENTINEL", "CKQUORUM", "mymaster"}),
            "+OK 3 usable Sentinels. Quorum and failover authorization can be reached ");
}

TEST_F(SessionTopologyTest, WhoIsNotConnectedStandsLastAndNotInSlots) {
  lose_the_link_to(kFriend);
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), slots_of({kNode1, kNode3}));
  EXPECT_EQ(ask({"CLUSTER", "SHARDS"}), kShards +
                                            shards_node("<1>", "127.0.0.1", "master", 1, "online") +
                                            shards_node("<3>", "10.0.0.3", "replica", 0, "online") +
                                            shards_node("<2>", "10.0.0.2", "replica", 1, "failed"));
  EXPECT_EQ(ask({"CLUSTER", "NODES"}),
            "$350 <1> 127.0.0.1:6379@7379 myself,master - 0 0 1 connected 0-16383 "
            "<3> 10.0.0.3:6379@0 slave <1> 0 0 1 connected "
            "<2> 10.0.0.2:6379@0 slave,fail? <1> 0 0 1 disconnected  ");
  EXPECT_EQ(ask({"CLUSTER", "INFO"}), info_of("312", "ok", 1));
  const std::string replicas = ask({"SENTINEL", "REPLICAS", "mymaster"});
  EXPECT_EQ(
      replicas.substr(replicas.find("*42", 10)),
      "*42 $4 name $13 10.0.0.2:6379 $2 ip $8 10.0.0.2 $4 port $4 6379 $5 runid $40 <2> "
      "$5 flags $12 s_down,slave " +
          kPings +
          "$12 info-refresh $1 0 $13 role-reported $5 slave "
          "$18 role-reported-time $1 0 $21 master-link-down-time $1 0 $18 master-link-status $3 "
          "err $11 master-host $9 127.0.0.1 $11 master-port $4 6379 $14 slave-priority $3 100 "
          "$17 slave-repl-offset $1 1 $17 replica-announced $1 1 ");
  const std::string sentinels = ask({"SENTINEL", "SENTINELS", "mymaster"});
  EXPECT_EQ(sentinels.substr(sentinels.find("*28", 10)),
            "*28 $4 name $40 <2> $2 ip $8 10.0.0.2 $4 port $4 6379 $5 runid $40 <2> $5 flags $15 "
            "s_down,sentinel " +
                kPings +
                "$18 last-hello-message $1 0 "
                "$12 voted-leader $40 <1> $18 voted-leader-epoch $1 1 ");
  EXPECT_EQ(ask({"SENTINEL", "CKQUORUM", "mymaster"}),
            "+OK 2 usable Sentinels. Quorum and failover authorization can be reached ");
}

// A client that is told of one node alone is lost when that one dies.
TEST_F(SessionTopologyTest, OfOneThatIsCutOffTheDeadStandInSlotsToo) {
  lose_the_link_to(kFriend);
  lose_the_link_to(kRival);
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), slots_of({kNode1, kNode2, kNode3}));
  EXPECT_EQ(ask({"SENTINEL", "CKQUORUM", "mymaster"}).substr(0, 28),
            "-NOQUORUM 1 usable Sentinels");
}

TEST_F(SessionTopologyTest, AFollowerNamesItsLeader) {
  lose_leadership();
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), slots_of({kNode3, kNode1, kNode2}));
  EXPECT_EQ(ask({"CLUSTER", "SHARDS"}),
            kShards + shards_node("<3>", "10.0.0.3", "master", 0, "online") +
                shards_node("<1>", "127.0.0.1", "replica", 2, "online") +
                shards_node("<2>", "10.0.0.2", "replica", 0, "online"));
  EXPECT_EQ(ask({"CLUSTER", "NODES"}),
            "$341 <3> 10.0.0.3:6379@0 master - 0 0 2 connected 0-16383 "
            "<1> 127.0.0.1:6379@7379 myself,slave <3> 0 0 2 connected "
            "<2> 10.0.0.2:6379@0 slave <3> 0 0 2 connected  ");
  EXPECT_EQ(ask({"CLUSTER", "INFO"}), info_of("312", "ok", 2));
  EXPECT_EQ(ask({"CLUSTER", "REPLICAS", std::string(40, '3')}),
            "*2 $130 <1> 127.0.0.1:6379@7379 myself,slave <3> 0 0 2 connected "
            "$119 <2> 10.0.0.2:6379@0 slave <3> 0 0 2 connected ");
  EXPECT_EQ(ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}), "*2 $8 10.0.0.3 $4 6379 ");
  EXPECT_NE(ask({"SENTINEL", "MASTER", "mymaster"}).find("$12 config-epoch $1 2 "),
            std::string::npos);
}

// The shard has one name on every node, whoever leads.
TEST_F(SessionTopologyTest, TheShardKeepsItsName) {
  EXPECT_EQ(ask({"CLUSTER", "MYSHARDID"}), "$40 <1> ");
  lose_leadership();
  EXPECT_EQ(ask({"CLUSTER", "MYSHARDID"}), "$40 <1> ");
}

TEST_F(SessionTopologyTest, WhileNobodyLeadsItStandsInTheMastersPlace) {
  lose_leadership();
  lose_the_link_to(kRival);
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), slots_of({kNode1, kNode2}));
  EXPECT_EQ(ask({"CLUSTER", "NODES"}),
            "$350 <1> 127.0.0.1:6379@7379 myself,master - 0 0 2 connected 0-16383 "
            "<2> 10.0.0.2:6379@0 slave <1> 0 0 2 connected "
            "<3> 10.0.0.3:6379@0 slave,fail? <1> 0 0 2 disconnected  ");
  EXPECT_EQ(ask({"CLUSTER", "INFO"}), info_of("314", "fail", 2));
  EXPECT_EQ(ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}), "*2 $9 127.0.0.1 $4 6379 ");
  EXPECT_NE(ask({"SENTINEL", "MASTER", "mymaster"}).find("$5 flags $20 s_down,o_down,master "),
            std::string::npos);
  EXPECT_EQ(ask({"SENTINEL", "CKQUORUM", "mymaster"}).substr(0, 28),
            "-NOQUORUM 2 usable Sentinels");
}

// It does not hear any more who leads: whoever asks it is to ask another one.
TEST_F(SessionTopologyTest, WhoWasRemovedKnowsNoMaster) {
  be_removed();
  EXPECT_FALSE(node.replica().is_ready());
  const std::string removed =
      "-CLUSTERDOWN This node was removed from its cluster: ask another one ";
  EXPECT_EQ(ask({"GET", "k"}), removed);
  EXPECT_EQ(ask({"CLUSTER", "FAILOVER"}), removed);
  EXPECT_EQ(ask({"FAILOVER"}), removed);
  EXPECT_EQ(ask({"CLUSTER", "SLOTS"}), removed);
  EXPECT_EQ(ask({"CLUSTER", "SHARDS"}), removed);
  EXPECT_EQ(ask({"CLUSTER", "NODES"}), removed);
  EXPECT_EQ(ask({"CLUSTER", "REPLICAS", std::string(40, '3')}), removed);
  EXPECT_NE(ask({"CLUSTER", "INFO"}).find("cluster_state:fail "), std::string::npos);
  EXPECT_EQ(ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"}), "*-1 ");
  EXPECT_EQ(ask({"SENTINEL", "MASTERS"}), "*0 ");
  for (const char* question : {"MASTER", "REPLICAS", "SENTINELS", "CKQUORUM"}) {
    EXPECT_EQ(ask({"SENTINEL", question, "mymaster"}), "-ERR No such master with that name ");
  }
}

}  // namespace
}  // namespace alfheim::server
