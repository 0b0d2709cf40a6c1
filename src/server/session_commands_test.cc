#include "server/session_commands.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/posix/posix_clock.h"
#include "server/http_library.h"
#include "server/http_pages.h"
#include "server/http_server.h"
#include "server/info_text.h"
#include "server/session_testing.h"

// Expected bytes are those that a redis-server 7.0.15 gave (with its id, address and version
// replaced by ours), unless a comment says otherwise.
namespace alfheim::server {
namespace {

struct ReplyCase {
  std::vector<std::string> given;
  std::string then;
};

void expect_replies(TestNode& node, const std::vector<ReplyCase>& cases) {
  for (const ReplyCase& c : cases) {
    std::string words;
    for (const std::string& word : c.given) words += word + " ";
    EXPECT_EQ(node.run(c.given), c.then) << words;
  }
}

TEST(SessionRows, EveryRowHasAHandlerOrIsTheSessionsOwn) {
  TestNode node;
  const std::vector<std::string_view> own = {
      "multi",     "exec",          "discard",       "watch",    "unwatch",      "debug|sleep",
      "raft|hash", "raft|snapshot", "raft|transfer", "raft|add", "raft|promote", "raft|remove"};
  const auto expect_handler = [&own](const command::Row& row) {
    if (!row.is_session()) return;
    const bool is_own = std::find(own.begin(), own.end(), row.name) != own.end();
    EXPECT_EQ(find_session_handler(row.name) == nullptr, is_own) << row.name;
  };
  for (const command::Row* row : node.table().rows()) {
    expect_handler(*row);
    for (const command::Row& subcommand : row->subcommands) expect_handler(subcommand);
  }
  EXPECT_EQ(find_session_handler("nosuch"), nullptr);
}

TEST(ConnectionCommands, AnswerAsRedisDoes) {
  TestNode node;
  expect_replies(
      node,
      {{{"PING"}, "+PONG\r\n"},
       {{"ping", "a"}, "$1\r\na\r\n"},
       {{"ping", "a", "b"}, "-ERR wrong number of arguments for 'ping' command\r\n"},
       {{"echo", "x"}, "$1\r\nx\r\n"},
       {{"echo"}, "-ERR wrong number of arguments for 'echo' command\r\n"},
       {{"select", "16"}, "-ERR DB index is out of range\r\n"},
       {{"select", "-1"}, "-ERR DB index is out of range\r\n"},
       {{"select", "x"}, "-ERR value is not an integer or out of range\r\n"},
       {{"select", "99999999999999"},
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n"},
       {{"select", "15"}, "+OK\r\n"},
       {{"auth", "x"},
        "-ERR AUTH <password> called without any password configured for the default user. Are "
        "you sure your configuration is correct?\r\n"},
       {{"auth", "default", "x"}, "+OK\r\n"},
       {{"auth", "u", "x"}, "-WRONGPASS invalid username-password pair or user is disabled.\r\n"},
       {{"auth", "a", "b", "c"}, "-ERR syntax error\r\n"},
       {{"hello", "4"}, "-NOPROTO unsupported protocol version\r\n"},
       {{"hello", "x"}, "-ERR Protocol version is not an integer or out of range\r\n"},
       {{"hello", "2", "auth", "a"}, "-ERR Syntax error in HELLO option 'auth'\r\n"},
       {{"hello", "2", "foo"}, "-ERR Syntax error in HELLO option 'foo'\r\n"},
       {{"hello", "2", "setname", "a b"},
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
       {{"readonly"}, "+OK\r\n"},
       {{"readwrite"}, "+OK\r\n"},
       {{"asking"}, "+OK\r\n"}});
  EXPECT_EQ(node.session.database.value, 15u);
  EXPECT_EQ(node.run({"quit"}), "+OK\r\n");
  EXPECT_TRUE(node.session.wants_close);
}

TEST(ConnectionCommands, HelloChangesTheDialectAndResetChangesItBack) {
  TestNode node;
  EXPECT_EQ(node.run({"hello"}),
            "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n"
            ":2\r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
            "$7\r\nmodules\r\n*0\r\n");
  EXPECT_EQ(node.run({"hello", "3", "setname", "me"}).substr(0, 4), "%7\r\n");
  EXPECT_EQ(node.session.protocol, resp::ProtocolVersion::kResp3);
  EXPECT_EQ(node.run({"client", "getname"}), "$2\r\nme\r\n");
  node.session.is_readonly = true;
  EXPECT_EQ(node.run({"reset"}), "+RESET\r\n");
  EXPECT_EQ(node.session.protocol, resp::ProtocolVersion::kResp2);
  EXPECT_FALSE(node.session.is_readonly);
  EXPECT_EQ(node.run({"client", "getname"}), "$-1\r\n");
}

TEST(ConnectionCommands, APasswordIsAskedFor) {
  Options options;
  options.client.requirepass = "pw";
  TestNode node(options);
  EXPECT_FALSE(node.session.is_authenticated);
  EXPECT_EQ(node.run({"hello", "3"}).substr(0, 13), "-NOAUTH HELLO");
  const std::string wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  for (const char* given : {"", "p", "pwpw", "pW", "pw "}) {
    EXPECT_EQ(node.run({"auth", given}), wrong) << given;
  }
  EXPECT_EQ(node.run({"auth", "usr", "pw"}), wrong);
  EXPECT_EQ(node.run({"hello", "3", "auth", "default", "x"}), wrong);
  EXPECT_FALSE(node.session.is_authenticated);
  EXPECT_EQ(node.run({"auth", "pw"}), "+OK\r\n");
  EXPECT_TRUE(node.session.is_authenticated);
  EXPECT_EQ(node.run({"reset"}), "+RESET\r\n");
  EXPECT_FALSE(node.session.is_authenticated);
  EXPECT_EQ(node.run({"hello", "3", "auth", "default", "pw"}).substr(0, 2), "%7");
}

TEST(ClientCommands, AnswerAsRedisDoes) {
  TestNode node;
  expect_replies(node,
                 {{{"client", "foo"}, "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n"},
                  {{"client", "id"}, ":1\r\n"},
                  {{"client", "setname", "a b"},
                   "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
                  {{"client", "setname", ""}, "+OK\r\n"},
                  {{"client", "getname"}, "$-1\r\n"},
                  {{"client", "setname", "zz"}, "+OK\r\n"},
                  {{"client", "getname"}, "$2\r\nzz\r\n"},
                  {{"client", "setinfo", "lib-name", "py"}, "+OK\r\n"},
                  {{"client", "setinfo", "LIB-VER", "1.2"}, "+OK\r\n"},
                  {{"client", "setinfo", "x", "y"}, "-ERR Unrecognized option 'x'\r\n"},
                  {{"client", "setinfo", "lib-name", "a b"},
                   "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n"},
                  {{"client", "no-evict", "x"}, "-ERR syntax error\r\n"},
                  {{"client", "no-evict", "on"}, "+OK\r\n"},
                  {{"client", "no-evict", "off"}, "+OK\r\n"},
                  {{"client", "no-touch", "off"}, "+OK\r\n"},
                  {{"client", "list", "type", "foo"}, "-ERR Unknown client type 'foo'\r\n"},
                  {{"client", "list", "type", "master"}, "$0\r\n\r\n"},
                  {{"client", "list", "id"}, "-ERR syntax error\r\n"},
                  {{"client", "list", "id", "x"}, "-ERR Invalid client ID\r\n"},
                  {{"client", "list", "id", "99"}, "$0\r\n\r\n"},
                  {{"client", "list", "foo"}, "-ERR syntax error\r\n"},
                  {{"client", "reply", "foo"}, "-ERR syntax error\r\n"},
                  {{"client", "reply", "skip"}, ""},
                  {{"client", "reply", "off"}, ""},
                  {{"client", "reply", "on"}, "+OK\r\n"}});
  const std::string line =
      "id=1 addr=127.0.0.1:40001 laddr=127.0.0.1:6379 fd=9 name=zz age=0 idle=0 flags=N db=0 "
      "sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
      "oll=0 omem=0 tot-mem=0 events=r cmd=NULL user=default redir=-1 resp=2 lib-name=py "
      "lib-ver=1.2\n";
  const std::string bulk = "$" + std::to_string(line.size()) + "\r\n" + line + "\r\n";
  EXPECT_EQ(node.run({"client", "info"}), bulk);
  EXPECT_EQ(node.run({"client", "list"}), bulk);
  EXPECT_EQ(node.run({"client", "list", "id", "1", "7"}), bulk);
  EXPECT_EQ(node.run({"client", "list", "type", "normal"}), bulk);
}

TEST(ClientCommands, AMillionNamesAreRefused) {
  TestNode node;
  std::vector<std::string> ids = {"client", "list", "id"};
  ids.resize(3 + kNamesMax, "1");
  EXPECT_TRUE(node.run(ids).starts_with("$"));
  ids.push_back("1");
  EXPECT_EQ(node.run(ids), "-ERR at most 1024 ids in one command\r\n");
  for (const char* part : {"docs", "INFO"}) {
    std::vector<std::string> names = {"command", part};
    names.resize(2 + kNamesMax, "get");
    EXPECT_NE(node.run(names)[0], '-');
    names.push_back("get");
    EXPECT_EQ(node.run(names), "-ERR at most 1024 names in one command\r\n");
  }
}

TEST(ClientCommands, KillFindsItsVictims) {
  TestNode node;
  SessionState other = node.add_session(40002);
  expect_replies(node,
                 {{{"client", "kill", "1.1.1.1:1"}, "-ERR No such client\r\n"},
                  {{"client", "kill", "id", "x"}, "-ERR client-id should be greater than 0\r\n"},
                  {{"client", "kill", "id", "0"}, "-ERR client-id should be greater than 0\r\n"},
                  {{"client", "kill", "id", "999"}, ":0\r\n"},
                  {{"client", "kill", "type", "foo"}, "-ERR Unknown client type 'foo'\r\n"},
                  {{"client", "kill", "type", "pubsub"}, ":0\r\n"},
                  {{"client", "kill", "foo", "bar"}, "-ERR syntax error\r\n"},
                  {{"client", "kill", "a", "b", "c"}, "-ERR syntax error\r\n"},
                  {{"client", "kill", "skipme", "foo", "id", "99"}, "-ERR syntax error\r\n"},
                  {{"client", "kill", "user", "nobody"}, "-ERR No such user 'nobody'\r\n"},
                  {{"client", "kill", "addr", "127.0.0.1:40001"}, ":0\r\n"},
                  {{"client", "kill", "maxage", "3600"}, ":0\r\n"}});
  EXPECT_TRUE(node.closed_ids.empty());
  EXPECT_EQ(node.run({"client", "kill", "127.0.0.1:40002"}), "+OK\r\n");
  EXPECT_EQ(node.closed_ids, std::vector<uint64_t>{2});
  EXPECT_EQ(node.run({"client", "kill", "type", "normal"}), ":1\r\n");
  EXPECT_FALSE(node.session.wants_close);
  EXPECT_EQ(node.run({"client", "kill", "laddr", "127.0.0.1:6379", "skipme", "no"}), ":2\r\n");
  EXPECT_TRUE(node.session.wants_close);
}

TEST(InfoCommand, TellsEachFigureOnce) {
  TestNode node;
  node.serve();
  const std::string text = node.run({"info", "everything"});
  std::set<std::string> seen;
  size_t begin = 0;
  for (size_t end = text.find("\r\n"); end != std::string::npos; end = text.find("\r\n", begin)) {
    const std::string line = text.substr(begin, end - begin);
    begin = end + 2;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    EXPECT_TRUE(seen.insert(line.substr(0, colon)).second) << line;
  }
  EXPECT_GT(seen.size(), 100u);
}

TEST(ConfigCommands, AnswerAsRedisDoes) {
  TestNode node;
  expect_replies(
      node, {{{"config", "get", "save"}, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"},
             {{"config", "get", "nosuch"}, "*0\r\n"},
             {{"config", "get"}, "-ERR wrong number of arguments for 'config|get' command\r\n"},
             {{"config", "foo"}, "-ERR unknown subcommand 'foo'. Try CONFIG HELP.\r\n"},
             {{"config", "set", "timeout"},
              "-ERR wrong number of arguments for 'config|set' command\r\n"},
             {{"config", "set", "timeout", "5", "x"}, "-ERR syntax error\r\n"},
             {{"config", "set", "timeout", "5"}, "+OK\r\n"},
             {{"config", "set", "foo", "bar"},
              "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n"},
             {{"config", "rewrite"}, "-ERR The server is running without a config file\r\n"}});
  node.counters().commands = 7;
  node.memory().move(0, 1000);
  node.memory().move(1000, 10);
  EXPECT_EQ(node.memory().peak_bytes(), 1000u);
  EXPECT_EQ(node.run({"config", "resetstat"}), "+OK\r\n");
  EXPECT_EQ(node.memory().peak_bytes(), 10u);
  node.memory().move(10, 0);
  EXPECT_EQ(node.counters().commands, 0u);
  EXPECT_EQ(node.config().timeout_s(), 5u);
}

TEST(ClusterCommands, DescribeAGroupOfOneAsRedisDescribesItself) {
  TestNode node;
  node.serve();
  const std::string id = kTestNodeId;
  const std::string bulk_id = "$40\r\n" + id + "\r\n";
  expect_replies(
      node,
      {{{"cluster", "myid"}, bulk_id},
       {{"cluster", "keyslot", "foo"}, ":12182\r\n"},
       {{"cluster", "keyslot", "{foo}bar"}, ":12182\r\n"},
       {{"cluster", "links"}, "*0\r\n"},
       {{"cluster", "replicas", id}, "*0\r\n"},
       {{"cluster", "slaves", "foo"}, "-ERR Unknown node foo\r\n"},
       {{"cluster", "failover"}, "-ERR You should send CLUSTER FAILOVER to a replica\r\n"},
       {{"cluster", "failover", "TAKEOVER"},
        "-ERR You should send CLUSTER FAILOVER to a replica\r\n"},
       {{"cluster", "failover", "x"}, "-ERR syntax error\r\n"},
       {{"cluster", "failover", "force", "x"},
        "-ERR unknown subcommand or wrong number of arguments for 'failover'. Try CLUSTER "
        "HELP.\r\n"},
       {{"failover"}, "-ERR FAILOVER requires connected replicas.\r\n"},
       {{"failover", "force", "TIMEOUT", "5"}, "-ERR FAILOVER requires connected replicas.\r\n"},
       {{"failover", "abort"}, "-ERR No failover in progress.\r\n"},
       {{"failover", "abort", "force"}, "-ERR syntax error\r\n"},
       {{"failover", "to", "127.0.0.1"}, "-ERR syntax error\r\n"},
       {{"failover", "to", "127.0.0.1", "x"}, "-ERR value is not an integer or out of range\r\n"},
       {{"failover", "timeout", "0"}, "-ERR FAILOVER timeout must be greater than 0\r\n"},
       {{"failover", "timeout", "x"}, "-ERR value is not an integer or out of range\r\n"},
       {{"cluster", "foo"}, "-ERR unknown subcommand 'foo'. Try CLUSTER HELP.\r\n"},
       {{"cluster", "slots"},
        "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:6379\r\n" + bulk_id + "*0\r\n"}});
  const std::string nodes = id + " 127.0.0.1:6379@7379 myself,master - 0 0 1 connected 0-16383\n";
  EXPECT_EQ(node.run({"cluster", "nodes"}),
            "$" + std::to_string(nodes.size()) + "\r\n" + nodes + "\r\n");
  const std::string info = node.run({"cluster", "info"});
  EXPECT_NE(info.find("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"), std::string::npos);
  EXPECT_NE(info.find("cluster_known_nodes:1\r\ncluster_size:1\r\ncluster_current_epoch:1\r\n"),
            std::string::npos);
  const std::string shards = node.run({"cluster", "shards"});
  EXPECT_EQ(shards.find("*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*1\r\n"
                        "*14\r\n$2\r\nid\r\n" +
                        bulk_id),
            0u)
      << shards;
  EXPECT_NE(shards.find("$6\r\nhealth\r\n$6\r\nonline\r\n"), std::string::npos);
}

// The fields, their order and the forms in RESP2 and RESP3 are those of a redis-sentinel 7.0.15.
TEST(SentinelCommands, AnswerForTheGroupAsItsSentinel) {
  TestNode node;
  node.serve();
  const std::string id = kTestNodeId;
  const std::string bulk_id = "$40\r\n" + id + "\r\n";
  const std::string unknown = "-ERR No such master with that name\r\n";
  expect_replies(
      node, {{{"sentinel", "get-master-addr-by-name", "mymaster"},
              "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"},
             {{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "other"}, "*-1\r\n"},
             {{"sentinel", "get-master-addr-by-name"},
              "-ERR wrong number of arguments for 'sentinel|get-master-addr-by-name' command\r\n"},
             {{"sentinel", "myid"}, bulk_id},
             {{"sentinel", "replicas", "mymaster"}, "*0\r\n"},
             {{"sentinel", "slaves", "mymaster"}, "*0\r\n"},
             {{"sentinel", "sentinels", "mymaster"}, "*0\r\n"},
             {{"sentinel", "replicas", "x"}, unknown},
             {{"sentinel", "sentinels", "x"}, unknown},
             {{"sentinel", "master", "x"}, unknown},
             {{"sentinel", "ckquorum", "x"}, unknown},
             {{"sentinel", "ckquorum", "mymaster"},
              "+OK 1 usable Sentinels. Quorum and failover authorization can be reached\r\n"},
             {{"sentinel", "foo"}, "-ERR unknown subcommand 'foo'. Try SENTINEL HELP.\r\n"}});
  const std::string fields =
      "$4\r\nname\r\n$8\r\nmymaster\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n6379\r\n"
      "$5\r\nrunid\r\n" +
      bulk_id +
      "$5\r\nflags\r\n$6\r\nmaster\r\n$21\r\nlink-pending-commands\r\n$1\r\n0\r\n"
      "$13\r\nlink-refcount\r\n$1\r\n1\r\n$14\r\nlast-ping-sent\r\n$1\r\n0\r\n"
      "$18\r\nlast-ok-ping-reply\r\n$1\r\n0\r\n$15\r\nlast-ping-reply\r\n$1\r\n0\r\n"
      "$23\r\ndown-after-milliseconds\r\n$4\r\n1000\r\n$12\r\ninfo-refresh\r\n$1\r\n0\r\n"
      "$13\r\nrole-reported\r\n$6\r\nmaster\r\n$18\r\nrole-reported-time\r\n$1\r\n0\r\n"
      "$12\r\nconfig-epoch\r\n$1\r\n1\r\n$10\r\nnum-slaves\r\n$1\r\n0\r\n"
      "$19\r\nnum-other-sentinels\r\n$1\r\n0\r\n$6\r\nquorum\r\n$1\r\n1\r\n"
      "$16\r\nfailover-timeout\r\n$4\r\n2000\r\n$14\r\nparallel-syncs\r\n$1\r\n0\r\n";
  EXPECT_EQ(node.run({"sentinel", "masters"}), "*1\r\n*40\r\n" + fields);
  EXPECT_EQ(node.run({"sentinel", "master", "mymaster"}), "*40\r\n" + fields);
  node.session.protocol = resp::ProtocolVersion::kResp3;
  EXPECT_EQ(node.run({"sentinel", "masters"}), "*1\r\n%20\r\n" + fields);
  EXPECT_EQ(node.run({"sentinel", "get-master-addr-by-name", "other"}), "_\r\n");
}

TEST(SentinelCommands, TheMastersNameIsAnOption) {
  Options options;
  options.group.sentinel_master_name = "gladsheim";
  TestNode node(options);
  node.serve();
  EXPECT_EQ(node.run({"sentinel", "get-master-addr-by-name", "mymaster"}), "*-1\r\n");
  EXPECT_EQ(node.run({"sentinel", "get-master-addr-by-name", "gladsheim"}),
            "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n");
}

TEST(ClusterCommands, ANodeThatListensOnAllAddressesNamesTheOneThatWasReached) {
  TestNode node;
  node.identity().resp = {"0.0.0.0", 7000};
  node.session.info->local = {"10.1.2.3", 7000};
  EXPECT_NE(node.run({"cluster", "slots"}).find("$8\r\n10.1.2.3\r\n:7000\r\n"), std::string::npos);
}

TEST(ServerCommands, AnswerAsRedisDoes) {
  TestNode node;
  expect_replies(
      node,
      {{{"slowlog", "get", "-2"}, "-ERR count should be greater than or equal to -1\r\n"},
       {{"slowlog", "get", "x"}, "-ERR count should be greater than or equal to -1\r\n"},
       {{"slowlog", "get", "1", "2"},
        "-ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.\r\n"},
       {{"slowlog", "get", "-1"}, "*0\r\n"},
       {{"slowlog", "len"}, ":0\r\n"},
       {{"slowlog", "reset"}, "+OK\r\n"},
       {{"role"}, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"},
       {{"time"}, "*2\r\n$10\r\n1767225600\r\n$1\r\n0\r\n"},
       {{"lastsave"}, ":1767225600\r\n"},
       {{"module", "list"}, "*0\r\n"},
       {{"wait", "1", "x"}, "-ERR timeout is not an integer or out of range\r\n"},
       {{"wait", "x", "1"}, "-ERR value is not an integer or out of range\r\n"},
       {{"wait", "0", "-1"}, "-ERR timeout is negative\r\n"},
       {{"wait", "1", "1"}, ":0\r\n"},
       {{"waitaof", "1", "0", "0"}, "*2\r\n:1\r\n:0\r\n"},
       {{"waitaof", "2", "0", "0"}, "-ERR value is out of range, value must between 0 and 1\r\n"},
       {{"waitaof", "1", "-1", "0"}, "-ERR value is out of range, must be positive\r\n"},
       {{"shutdown", "foo"}, "-ERR syntax error\r\n"},
       {{"shutdown", "nosave", "save"}, "-ERR syntax error\r\n"},
       {{"shutdown", "abort"}, "-ERR No shutdown in progress.\r\n"},
       {{"info", "nosuch"}, "$0\r\n\r\n"}});
  EXPECT_EQ(node.shutdown_count, 0);
  EXPECT_EQ(node.run({"shutdown", "nosave"}), "");
  EXPECT_EQ(node.shutdown_count, 1);
}

TEST(Info, EachLineIsANameAndAValueUnderATitle) {
  TestNode node;
  node.serve();
  const std::string text = info_text(node.services(), {});
  size_t section_count = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos);
    const std::string line = text.substr(begin, end - begin);
    if (line.starts_with("# ")) {
      ++section_count;
    } else if (!line.empty()) {
      EXPECT_NE(line.find(':'), std::string::npos) << line;
    }
    begin = end + 2;
  }
  EXPECT_EQ(section_count, 11u);
  for (const char* line :
       {"redis_version:7.2.4\r\n", "redis_mode:cluster\r\n", "tcp_port:6379\r\n",
        "connected_clients:1\r\n", "role:master\r\n", "connected_slaves:0\r\n", "loading:0\r\n",
        "maxmemory_policy:noeviction\r\n", "cluster_enabled:1\r\n", "aof_enabled:1\r\n",
        "raft_role:leader\r\n", "raft_term:1\r\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
  const std::string_view some[] = {"KEYSPACE", "cluster"};
  EXPECT_EQ(info_text(node.services(), some),
            "# Cluster\r\ncluster_enabled:1\r\n\r\n# Keyspace\r\n");
  EXPECT_EQ(human_size(993), "993B");
  EXPECT_EQ(human_size(1536), "1.50K");
  EXPECT_EQ(human_size(25276502016), "23.54G");
}

TEST(RaftCommands, TellTheStateOfTheGroup) {
  TestNode node;
  node.serve();
  const std::string info = node.run({"raft", "info"});
  EXPECT_EQ(info.substr(0, 5), "*56\r\n");
  EXPECT_NE(info.find("$14\r\nsnapshots-made\r\n:0\r\n"), std::string::npos);
  EXPECT_NE(info.find("$4\r\nrole\r\n$6\r\nleader\r\n"), std::string::npos);
  EXPECT_NE(info.find("$5\r\nstate\r\n$7\r\nserving\r\n"), std::string::npos);
  EXPECT_EQ(node.run({"raft", "members"}).substr(0, 9), "*1\r\n*14\r\n");
}

TEST(HttpPages, SayWhetherTheNodeServes) {
  TestNode node;
  EXPECT_EQ(health_page(node.services()).status, 503);
  EXPECT_EQ(leader_page(node.services()).status, 503);
  node.serve();
  EXPECT_EQ(health_page(node.services()).status, 200);
  EXPECT_EQ(health_page(node.services()).body, "{\"status\":\"ok\"}\n");
  const HttpPage leader = leader_page(node.services());
  EXPECT_EQ(leader.status, 200);
  EXPECT_EQ(leader.body, "{\"leader\":\"n1\",\"address\":\"127.0.0.1:6379\"}\n");
  const HttpPage metrics = metrics_page(node.services());
  EXPECT_NE(metrics.body.find("# TYPE alfheimdb_commands_total counter\n"), std::string::npos);
  EXPECT_NE(metrics.body.find("\nalfheimdb_raft_is_leader 1\n"), std::string::npos);
  EXPECT_NE(metrics.body.find("\nalfheimdb_keys{db=\"15\"} 0\n"), std::string::npos);
  node.identity().name = "<b>";
  EXPECT_NE(console_page(node.services()).body.find("&lt;b&gt;"), std::string::npos);
}

TEST(HttpServer, AnswersOnThePortThatItTookAndEndsWithTheExecutor) {
  TestNode node;
  node.serve();
  const env::PosixClock clock;
  const std::unique_ptr<env::PosixExecutor> executor = must(env::PosixExecutor::create(clock, {}));
  const std::unique_ptr<HttpServer> server = must(HttpServer::bind({"127.0.0.1", 0}));
  const env::PeerAddress address = server->local_address();
  ASSERT_NE(address.port, 0);
  ASSERT_TRUE(server->serve(*executor, node.services()).is_ok());
  httplib::Client client(address.host, address.port);
  for (const char* path : {"/health", "/leader", "/metrics", "/"}) {
    const httplib::Result result = client.Get(path);
    ASSERT_TRUE(result) << path;
    EXPECT_EQ(result->status, 200) << path;
  }
  EXPECT_EQ(client.Get("/nosuch")->status, 404);
  executor->stop();
}

TEST(HttpServer, AStopRightAfterTheStartEndsItToo) {
  TestNode node;
  const env::PosixClock clock;
  for (int round = 0; round < 5; ++round) {
    const std::unique_ptr<env::PosixExecutor> executor =
        must(env::PosixExecutor::create(clock, {}));
    const std::unique_ptr<HttpServer> server = must(HttpServer::bind({"127.0.0.1", 0}));
    ASSERT_TRUE(server->serve(*executor, node.services()).is_ok());
    executor->stop();
  }
}

TEST(HttpServer, AUsedPortIsRefusedWithOneLine) {
  const std::unique_ptr<HttpServer> first = must(HttpServer::bind({"127.0.0.1", 0}));
  const env::PeerAddress address = first->local_address();
  const base::Result<std::unique_ptr<HttpServer>> second = HttpServer::bind(address);
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.error().message,
            "listen for HTTP at " + address_text(address) +
                ": Address already in use (--http-addr chooses another address)");
}

}  // namespace
}  // namespace alfheim::server
