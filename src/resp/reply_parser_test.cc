#include "resp/reply_parser.h"

#include <gtest/gtest.h>

#include "resp/reply_writer.h"

namespace alfheim::resp {
namespace {

struct ParseCase {
  const char* given;
  const char* then;
};
constexpr ParseCase kCases[] = {
    {"+OK\r\n", "OK"},
    {"-ERR x\r\n", "(error \"ERR x\")"},
    {":-42\r\n", "-42"},
    {"$3\r\na\r\n\r\n", "\"a\\r\\n\""},
    {"$0\r\n\r\n", "\"\""},
    {"$-1\r\n", "nil"},
    {"*-1\r\n", "(nil array)"},
    {"_\r\n", "nil"},
    {"#t\r\n", "true"},
    {"#f\r\n", "false"},
    {",3.5\r\n", "(double 3.5)"},
    {",-inf\r\n", "(double -inf)"},
    {"(123456789012345678901234567890\r\n", "(big 123456789012345678901234567890)"},
    {"=7\r\ntxt:a\nb\r\n", "txt:\"a\\nb\""},
    {"!5\r\nERR x\r\n", "(error \"ERR x\")"},
    {"*0\r\n", "[]"},
    {"*3\r\n:1\r\n*1\r\n$1\r\na\r\n*-1\r\n", "[1, [\"a\"], (nil array)]"},
    {"%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n:2\r\n", "{a: 1, b: set(2)}"},
    {">2\r\n+message\r\n*0\r\n", "push(message, [])"},
    {"*2\r\n|1\r\n+ttl\r\n:9\r\n:1\r\n:2\r\n", "[1, 2]"},
    {"|0\r\n:1\r\n", "1"},
};

TEST(ReplyParser, ReadsEveryTypeAtEveryDivision) {
  for (const auto& [given, then] : kCases) {
    const base::ByteView bytes = given;
    for (size_t first = 0; first <= bytes.size(); ++first) {
      ReplyParser parser;
      Value value;
      parser.feed(bytes.substr(0, first));
      if (first < bytes.size()) {
        ASSERT_EQ(parser.next(value), ReplyParser::Next::kNeedMore) << given << " at " << first;
        parser.feed(bytes.substr(first));
      }
      ASSERT_EQ(parser.next(value), ReplyParser::Next::kValue) << given << parser.error();
      EXPECT_EQ(to_text(value), then);
      EXPECT_EQ(parser.bytes_unconsumed(), 0u);
      EXPECT_EQ(parser.next(value), ReplyParser::Next::kNeedMore);
    }
  }
}

TEST(ReplyParser, AnAttributeBelongsToTheValueBehindIt) {
  ReplyParser parser;
  parser.feed("*2\r\n|1\r\n+ttl\r\n:9\r\n*1\r\n:1\r\n:2\r\n");
  Value value;
  ASSERT_EQ(parser.next(value), ReplyParser::Next::kValue);
  EXPECT_TRUE(value.attributes.empty());
  ASSERT_EQ(value.elements.size(), 2u);
  ASSERT_EQ(value.elements[0].attributes.size(), 2u);
  EXPECT_EQ(value.elements[0].attributes[1].integer, 9);
  EXPECT_TRUE(value.elements[1].attributes.empty());
}

TEST(ReplyParser, RepliesInARowComeOneByOne) {
  ReplyParser parser;
  base::Bytes bytes;
  ReplyWriter writer(bytes, ProtocolVersion::kResp3);
  for (int i = 0; i < 50'000; ++i) {
    writer.array_header(2);
    writer.integer(i);
    writer.bulk("value");
  }
  Value value;
  int count = 0;
  for (size_t place = 0; place < bytes.size(); place += 777) {
    parser.feed(base::ByteView(bytes).substr(place, 777));
    while (parser.next(value) == ReplyParser::Next::kValue) {
      ASSERT_EQ(value.elements[0].integer, count++);
    }
  }
  EXPECT_EQ(parser.error(), "");
  EXPECT_EQ(count, 50'000);
}

TEST(ReplyParser, WhoFeedsBeforeAskingForAllLosesNothing) {
  ReplyParser parser;
  base::Bytes first;
  ReplyWriter writer(first, ProtocolVersion::kResp2);
  const base::Bytes large(100'000, 'x');
  writer.bulk(large);
  parser.feed(first);
  Value value;
  ASSERT_EQ(parser.next(value), ReplyParser::Next::kValue);
  // Not asked again before the next bytes: what was read already is moved out underneath.
  parser.feed("+OK\r\n");
  ASSERT_EQ(parser.next(value), ReplyParser::Next::kValue);
  EXPECT_EQ(value.text, "OK");
}

TEST(ReplyParser, WhatIsNoReplyIsAnErrorForEver) {
  base::Bytes deep;
  for (size_t i = 0; i <= ReplyParser::kDepthMax; ++i) deep += "*1\r\n";
  const base::Bytes given[] = {"x\r\n",
                               "\r\n",
                               ":x\r\n",
                               "$x\r\n",
                               "$-2\r\n",
                               "#x\r\n",
                               "_x\r\n",
                               ",x\r\n",
                               "*1x\r\n",
                               "$1\r\nabc",
                               "=2\r\nab\r\n",
                               "=4\r\ntxtx\r\n",
                               "*2\r\n:1\r\nx\r\n",
                               deep};
  for (const base::Bytes& bytes : given) {
    ReplyParser parser;
    parser.feed(bytes);
    Value value;
    EXPECT_EQ(parser.next(value), ReplyParser::Next::kError) << bytes.substr(0, 20);
    EXPECT_NE(parser.error(), "");
    parser.feed("+OK\r\n");
    EXPECT_EQ(parser.next(value), ReplyParser::Next::kError);
  }
}

TEST(ReplyParser, ARequestIsWrittenAsClientsWriteIt) {
  base::Bytes out;
  append_request(out, {"SET", "k", ""});
  EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
}

}  // namespace
}  // namespace alfheim::resp
