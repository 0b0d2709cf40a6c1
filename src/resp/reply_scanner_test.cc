#include "resp/reply_scanner.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace alfheim::resp {
namespace {

using Found = ReplyScanner::Found;

// The replies of a stream that comes in pieces of so many bytes; "?" ends what is broken.
std::vector<std::string> cut(base::ByteView bytes, size_t piece_bytes) {
  ReplyScanner scanner;
  std::vector<std::string> replies(1);
  for (size_t begin = 0; begin < bytes.size(); begin += piece_bytes) {
    base::ByteView piece = bytes.substr(begin, piece_bytes);
    while (!piece.empty()) {
      size_t taken = 0;
      const Found found = scanner.scan(piece, taken);
      replies.back().append(piece.substr(0, taken));
      if (found == Found::kBroken) {
        replies.back().append("?");
        return replies;
      }
      piece.remove_prefix(taken);
      if (found == Found::kMore) {
        EXPECT_TRUE(piece.empty());
        continue;
      }
      EXPECT_FALSE(scanner.is_within());
      EXPECT_EQ(found == Found::kPush, replies.back().front() == '>');
      EXPECT_EQ(scanner.is_error(), replies.back().front() == '-' || replies.back().front() == '!');
      replies.emplace_back();
    }
  }
  return replies;
}

TEST(ReplyScanner, FindsTheEndOfEveryReplyHoweverItIsDivided) {
  const std::vector<std::string> replies = {
      "+OK\r\n",
      "-ERR a \r b\r\n",
      ":-12\r\n",
      "$0\r\n\r\n",
      "$5\r\n*3\r\n+\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "*0\r\n",
      "*3\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n_\r\n",
      "%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n",
      "~1\r\n,3.5\r\n",
      "|1\r\n+ttl\r\n:9\r\n*1\r\n#t\r\n",
      "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
      ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n",
      "=7\r\ntxt:abc\r\n",
      "!3\r\nERR\r\n",
      "(123456789012345678901234567890\r\n",
  };
  std::string stream;
  for (const std::string& reply : replies) stream += reply;
  std::vector<std::string> expected = replies;
  expected.emplace_back();  // nothing is left
  for (size_t piece_bytes = 1; piece_bytes <= stream.size(); ++piece_bytes) {
    EXPECT_EQ(cut(stream, piece_bytes), expected) << piece_bytes;
  }
}

TEST(ReplyScanner, TakesNothingForAReplyThatIsNone) {
  for (const char* const given : {"OK\r\n", "$x\r\n", "*1\r\n?\r\n", "$1-\r\n", "$--1\r\n",
                                  "*99999999999999999999\r\n", "\r\n"}) {
    EXPECT_EQ(cut(given, 100).back().back(), '?') << given;
    EXPECT_EQ(cut(given, 1).back().back(), '?') << given;
  }
}

TEST(ReplyScanner, KnowsThatAReplyIsUnderWay) {
  ReplyScanner scanner;
  size_t taken = 0;
  EXPECT_EQ(scanner.scan("", taken), Found::kMore);
  EXPECT_FALSE(scanner.is_within());
  EXPECT_EQ(scanner.scan("$3\r\nab", taken), Found::kMore);
  EXPECT_EQ(taken, 6u);
  EXPECT_TRUE(scanner.is_within());
  EXPECT_EQ(scanner.scan("c\r\n+OK\r\n", taken), Found::kReply);
  EXPECT_EQ(taken, 3u);
  EXPECT_FALSE(scanner.is_within());
}

}  // namespace
}  // namespace alfheim::resp
