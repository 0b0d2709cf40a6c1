#include "command/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "command/command_info.h"
#include "command/family.h"
#include "command/session_row.h"
#include "resp/reply_writer.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<Bytes> words_of(std::string_view line) {
  std::vector<Bytes> words;
  while (!line.empty()) {
    const size_t space = std::min(line.find(' '), line.size());
    words.emplace_back(line.substr(0, space));
    line.remove_prefix(std::min(space + 1, line.size()));
  }
  return words;
}

base::Status run_nothing(Context&, const Arguments&, resp::ReplyWriter&) { return base::ok(); }

class TableTest : public testing::Test {
 protected:
  TableTest() {
    std::vector<Row> rows;
    add_generic_rows(rows);
    rows.push_back(session_row("ping", -1, kFast, "@fast @connection", {}, {}));
    rows.push_back(
        row("mset", -3, {{.flags = kKeyOW, .begin_index = 1, .last_key = -1, .step = 2}}));
    rows.push_back(row("set", -3, {{.flags = kKeyRW | kKeyVariableFlags, .begin_index = 1}}));
    rows.push_back(row("bitfield", -2, {{.flags = kKeyRW | kKeyVariableFlags, .begin_index = 1}}));
    rows.push_back(
        row("eval", -3, {{.begin_index = 2, .is_keynum = true, .first_key_after_keynum = 1}}));
    rows.push_back(
        row("xread", -4,
            {{.begin_keyword = "STREAMS", .begin_start_from = 1, .last_key = -1, .limit = 2}}));
    Row command = container_row("command", -1, 0, "@slow", {}, {});
    for (const char* name : {"command|count", "command|info"}) {
      command.subcommands.push_back(session_row(name, -2, 0, "@slow", {}, {}));
    }
    rows.push_back(std::move(command));
    table_ = std::make_unique<const Table>(std::move(rows));
  }
  static Row row(std::string_view name, int arity, std::vector<KeySpec> keys) {
    Row made = container_row(name, arity, kWrite, "@write @slow", {}, {});
    made.keys = std::move(keys);
    made.handler = run_nothing;
    return made;
  }
  std::optional<std::string> check(std::string_view line) {
    const std::vector<Bytes> words = words_of(line);
    return check_words(words);
  }
  std::optional<std::string> check_words(const std::vector<Bytes>& words) {
    const std::vector<ByteView> views(words.begin(), words.end());
    const Arguments args{std::span<const ByteView>(views)};
    return check_call(table_->find(args), args);
  }
  std::vector<size_t> keys(std::string_view line) {
    const std::vector<Bytes> words = words_of(line);
    const std::vector<ByteView> views(words.begin(), words.end());
    const Arguments args{std::span<const ByteView>(views)};
    return key_positions(*table_->find(args), args);
  }
  std::string command(std::string_view line,
                      resp::ProtocolVersion version = resp::ProtocolVersion::kResp2) {
    const std::vector<Bytes> words = words_of(line);
    const std::vector<ByteView> views(words.begin(), words.end());
    Bytes out;
    resp::ReplyWriter reply(out, version);
    reply_command(*table_, Arguments{std::span<const ByteView>(views)}, reply);
    return out;
  }

  std::unique_ptr<const Table> table_;
};

TEST_F(TableTest, RowsAreFoundInAnyCaseAndSubcommandsByTheirWords) {
  EXPECT_EQ(table_->find("DeL")->name, "del");
  EXPECT_EQ(table_->find("OBJECT|Encoding")->name, "object|encoding");
  EXPECT_EQ(table_->find("object|nosuch"), nullptr);
  EXPECT_EQ(table_->find("nosuch"), nullptr);
  EXPECT_EQ(table_->find(""), nullptr);
  EXPECT_EQ(table_->find(Bytes(1000, 'x')), nullptr);
}

TEST_F(TableTest, ACallIsRefusedInRedissWords) {
  EXPECT_EQ(check("del k"), std::nullopt);
  EXPECT_EQ(check("OBJECT encoding k"), std::nullopt);
  EXPECT_EQ(check("COMMAND"), std::nullopt);
  EXPECT_EQ(check("foo"), "unknown command 'foo', with args beginning with: ");
  EXPECT_EQ(check("Foo a b"), "unknown command 'Foo', with args beginning with: 'a' 'b' ");
  EXPECT_EQ(check("object|encoding k"),
            "unknown command 'object|encoding', with args beginning with: 'k' ");
  EXPECT_EQ(check("DEL"), "wrong number of arguments for 'del' command");
  EXPECT_EQ(check("TTL a b"), "wrong number of arguments for 'ttl' command");
  EXPECT_EQ(check("OBJECT"), "wrong number of arguments for 'object' command");
  EXPECT_EQ(check("OBJECT FOO a"), "unknown subcommand 'FOO'. Try OBJECT HELP.");
  EXPECT_EQ(check("object encoding"), "wrong number of arguments for 'object|encoding' command");
  EXPECT_EQ(check_words({"object", ""}), "unknown subcommand ''. Try OBJECT HELP.");
  EXPECT_EQ(check_words({Bytes(200, 'f'), "b"}),
            "unknown command '" + Bytes(128, 'f') + "', with args beginning with: 'b' ");
  EXPECT_EQ(check_words({"foo", Bytes(200, 'a'), "b"}),
            "unknown command 'foo', with args beginning with: '" + Bytes(128, 'a') + "' ");
  EXPECT_EQ(check_words({Bytes("f\0o", 3)}), "unknown command 'f', with args beginning with: ");
}

TEST_F(TableTest, KeysStandWhereTheRowSays) {
  EXPECT_THAT(keys("DEL a b c"), ElementsAre(1, 2, 3));
  EXPECT_THAT(keys("COPY a b"), ElementsAre(1, 2));
  EXPECT_THAT(keys("MSET a 1 b 2"), ElementsAre(1, 3));
  EXPECT_THAT(keys("OBJECT ENCODING a"), ElementsAre(2));
  EXPECT_THAT(keys("EVAL script 2 a b c"), ElementsAre(3, 4));
  EXPECT_THAT(keys("EVAL script 0 a"), IsEmpty());
  EXPECT_THAT(keys("EVAL script 9 a"), IsEmpty());
  EXPECT_THAT(keys("EVAL script x a"), IsEmpty());
  EXPECT_THAT(keys("XREAD COUNT 1 streams a b 0 0"), ElementsAre(4, 5));
  EXPECT_THAT(keys("XREAD COUNT 1 a b"), IsEmpty());
  EXPECT_THAT(keys("PING"), IsEmpty());
  EXPECT_THAT(keys("DEL"), IsEmpty());
}

TEST_F(TableTest, CommandInfoOfTheGenericFamilyIsRediss) {
  std::ifstream file(ALF_SOURCE_DIR "/src/command/testdata/command_info_generic.txt");
  std::string line;
  std::vector<std::string> lines;
  while (std::getline(file, line)) {
    if (!line.starts_with("#")) lines.push_back(line);
  }
  ASSERT_EQ(lines.size(), 3u);
  for (const auto version : {resp::ProtocolVersion::kResp2, resp::ProtocolVersion::kResp3}) {
    std::string reply = command("COMMAND INFO " + lines[0], version);
    for (size_t at = 0; (at = reply.find("\r\n", at)) != std::string::npos;) {
      reply.replace(at, 2, " ");
    }
    reply.pop_back();
    EXPECT_EQ(reply, lines[version == resp::ProtocolVersion::kResp2 ? 1 : 2]);
  }
  EXPECT_EQ(command("COMMAND INFO nosuch object|nosuch"), "*2\r\n$-1\r\n$-1\r\n");
  EXPECT_THAT(command("COMMAND INFO object"), HasSubstr("*10\r\n$11\r\nobject|freq\r\n:3\r\n"));
  EXPECT_THAT(command("COMMAND INFO object"), StartsWith("*1\r\n*10\r\n$6\r\nobject\r\n:-2\r\n"));
  EXPECT_EQ(command("COMMAND"), command("COMMAND INFO"));
  EXPECT_THAT(command("COMMAND"), StartsWith(command("COMMAND COUNT").replace(0, 1, "*")));
}

TEST_F(TableTest, CommandListFilters) {
  EXPECT_EQ(command("COMMAND LIST FILTERBY PATTERN RENAME*"),
            "*2\r\n$6\r\nrename\r\n$8\r\nrenamenx\r\n");
  EXPECT_EQ(command("COMMAND LIST FILTERBY ACLCAT connection"), "*1\r\n$4\r\nping\r\n");
  EXPECT_EQ(command("COMMAND LIST FILTERBY ACLCAT nosuch"), "*0\r\n");
  EXPECT_EQ(command("COMMAND LIST FILTERBY MODULE x"), "*0\r\n");
  EXPECT_EQ(command("COMMAND LIST FILTERBY x y"), "-ERR syntax error\r\n");
  EXPECT_EQ(command("COMMAND LIST x"), "-ERR syntax error\r\n");
  EXPECT_THAT(command("COMMAND LIST"), HasSubstr("$15\r\nobject|encoding\r\n"));
}

TEST_F(TableTest, CommandDocsSaysWhatItKnows) {
  EXPECT_EQ(command("COMMAND DOCS dbsize nosuch", resp::ProtocolVersion::kResp3),
            "%1\r\n$6\r\ndbsize\r\n%4\r\n$7\r\nsummary\r\n$50\r\nReturn the number of keys in "
            "the selected database\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nserver"
            "\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n");
  EXPECT_THAT(command("COMMAND DOCS dbsize"), StartsWith("*2\r\n$6\r\ndbsize\r\n*8\r\n"));
  EXPECT_THAT(command("COMMAND DOCS object", resp::ProtocolVersion::kResp3),
              HasSubstr("$11\r\nsubcommands\r\n%5\r\n$15\r\nobject|encoding\r\n%5\r\n"));
}

TEST_F(TableTest, CommandGetkeysAnswersAsRedis) {
  EXPECT_EQ(command("COMMAND GETKEYS MSET a b c d"), "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
  EXPECT_EQ(command("COMMAND GETKEYS object encoding foo"), "*1\r\n$3\r\nfoo\r\n");
  EXPECT_EQ(command("COMMAND GETKEYS nosuch a"), "-ERR Invalid command specified\r\n");
  EXPECT_EQ(command("COMMAND GETKEYS object foo"), "-ERR Invalid command specified\r\n");
  EXPECT_EQ(command("COMMAND GETKEYS dbsize x"), "-ERR The command has no key arguments\r\n");
  EXPECT_EQ(command("COMMAND GETKEYS ttl a b"),
            "-ERR Invalid number of arguments specified for command\r\n");
  EXPECT_EQ(command("COMMAND GETKEYSANDFLAGS copy a b"),
            "*2\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n"
            "*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
  const std::pair<const char*, const char*> cases[] = {
      {"set a b", "*2\r\n+OW\r\n+update\r\n"},
      {"set a b get", "*3\r\n+RW\r\n+access\r\n+update\r\n"},
      {"bitfield a get u8 0", "*2\r\n+RO\r\n+access\r\n"},
      {"bitfield a set u8 0 1", "*3\r\n+RW\r\n+access\r\n+update\r\n"}};
  for (const auto& [call, flags] : cases) {
    EXPECT_EQ(command(std::string("COMMAND GETKEYSANDFLAGS ") + call),
              std::string("*1\r\n*2\r\n$1\r\na\r\n") + flags);
  }
  EXPECT_THAT(command("COMMAND HELP"), StartsWith("*21\r\n+COMMAND <subcommand>"));
}

// What a loop may run itself, in apply too; two names of one thing are alike.
TEST_F(TableTest, CommandsOfBoundedWorkSaySo) {
  const auto table = Table::make();
  for (const char* name : {"get", "set", "incr", "del", "unlink", "mset", "setrange", "setbit",
                           "getrange", "substr", "getdel", "append"}) {
    EXPECT_TRUE(table->find(name)->is_point()) << name;
  }
  for (const char* name : {"keys", "scan", "flushall", "bitop", "bitcount", "copy", "lcs"}) {
    EXPECT_FALSE(table->find(name)->is_point()) << name;
  }
}

}  // namespace
}  // namespace alfheim::command
