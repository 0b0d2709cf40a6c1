#include "resp/request_cutter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "resp/cut_all.h"
#include "resp/reply_parser.h"

namespace alfheim::resp {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Request = std::vector<std::string>;
using namespace std::string_literals;

CutResult cut_whole(std::string_view input, RequestCutter::Options options = {}) {
  return cut_all(input, options, [] { return size_t{1} << 30; });
}

struct CutCase {
  std::string given;
  std::vector<Request> then_requests;
  std::string then_error;
};

std::string protocol_error(const char* text) { return std::string("Protocol error: ") + text; }

// Asked of redis-server 7.0.15 over a socket, one by one.
std::vector<CutCase> cases() {
  const auto bad_count = protocol_error("invalid multibulk length");
  const auto bad_bulk = protocol_error("invalid bulk length");
  const auto unbalanced = protocol_error("unbalanced quotes in request");
  return {
      {"*1\r\n$4\r\nPING\r\n", {{"PING"}}, ""},
      {"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", {{"SET", "k", ""}}, ""},
      {"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPONG\r\n", {{"PING"}, {"PONG"}}, ""},
      {"*-5\r\nPING\r\n", {{"PING"}}, ""},
      {"*0\r\n*0\r\nPING\r\n", {{"PING"}}, ""},
      {"*2147483648\r\n", {}, bad_count},
      {"*99999999999999999999\r\n", {}, bad_count},
      {"*+1\r\n", {}, bad_count},
      {"*01\r\n", {}, bad_count},
      {"*\r\n", {}, bad_count},
      {"*a\r\n", {}, bad_count},
      {"*1\n$4\n\r\n", {}, bad_count},
      {"*1\r\n$-1\r\n", {}, bad_bulk},
      {"*1\r\n$4x\r\n", {}, bad_bulk},
      {"*1\r\n$\r\n", {}, bad_bulk},
      {"*1\r\n$536870913\r\n", {}, bad_bulk},
      {"*1\r\n:4\r\n", {}, protocol_error("expected '$', got ':'")},
      {"*1\r\n\r\n", {}, protocol_error("expected '$', got '\r'")},
      {"PING\r\n*1\r\nx\r\n", {{"PING"}}, protocol_error("expected '$', got 'x'")},
      {"*1\r\n$4\rxPINGyz", {{"PING"}}, ""},
      {"*1\rx$4\r\nPING\r\n", {{"PING"}}, ""},
      {"\"a\n", {}, unbalanced},
      {"'a'b\n", {}, unbalanced},
      {"ECHO \"a\\x41\\n\\q\"\r\n", {{"ECHO", "aA\nq"}}, ""},
      {"ECHO \"\\x4g\\r\\t\\b\\a\\\\\\\"\"\n", {{"ECHO", "x4g\r\t\b\a\\\""}}, ""},
      {"ECHO 'a\\'b\\n'\n", {{"ECHO", "a'b\\n"}}, ""},
      {"ECHO a\"b c\"\n", {{"ECHO", "ab c"}}, ""},
      {"ECHO a\"b c\"d\n", {}, unbalanced},
      {"ECHO a\x0b"
       "b\n",
       {{"ECHO",
         "a\x0b"
         "b"}},
       ""},
      {"ECHO \x0b"
       "b\n",
       {{"ECHO", "b"}},
       ""},
      {"\r\n\n   \nPING\r\n", {{"PING"}}, ""},
      {"ECHO a\r\r\n", {{"ECHO", "a"}}, ""},
      {"ECHO \"a\"\x0b\n", {{"ECHO", "a"}}, ""},
      {"PING\rPING\n", {{"PING", "PING"}}, ""},
      {"ECHO \"\" ''\n", {{"ECHO", "", ""}}, ""},
      {"ECHO \"a\\", {}, ""},
      {"ECHO \"a\\\n", {}, unbalanced},
      {std::string(65'536, 'a') + "\n", {{std::string(65'536, 'a')}}, ""},
      {std::string(65'537, 'a') + "\n", {}, protocol_error("too big inline request")},
      {"*" + std::string(65'536, '1'), {}, protocol_error("too big mbulk count string")},
      {"*" + std::string(65'535, '1') + "\r\n", {}, bad_count},
      {"*1\r\n$" + std::string(65'536, '1'), {}, protocol_error("too big bulk count string")},
      {"*1\r\n" + std::string(65'537, 'x'), {}, protocol_error("too big bulk count string")},
  };
}

void feed(RequestCutter& cutter, std::string_view input) {
  const std::span<char> room = cutter.room();
  ASSERT_GE(room.size(), input.size());
  std::memcpy(room.data(), input.data(), input.size());
  cutter.commit(input.size());
}

// Second words of all that can be looked at before its turn.
std::vector<std::string> peeked(const RequestCutter& cutter) {
  std::vector<std::string> words;
  size_t offset = 0;
  while (const auto word = cutter.peek_second_word(offset)) words.emplace_back(*word);
  return words;
}

TEST(RequestCutter, WhatWaitsCanBeLookedAtBeforeItsTurn) {
  RequestCutter cutter({});
  EXPECT_THAT(peeked(cutter), IsEmpty());
  feed(cutter,
       "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$2\r\nbc\r\n*2\r\n$"
       "3\r\nGE");
  EXPECT_THAT(peeked(cutter), ElementsAre("a", "", "bc"));  // and the last is not all here
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(peeked(cutter), ElementsAre("", "bc"));
  EXPECT_THAT(cutter.argv()[1], "a");  // nothing has changed by looking
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_THAT(peeked(cutter), IsEmpty());  // one is open
  feed(cutter, "T\r\n$1\r\nd\r\nPING\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(peeked(cutter), IsEmpty());  // inline
}

TEST(RequestCutter, WhatIsLongOrStrangeIsNotLookedAt) {
  for (const std::string_view input :
       {"*9\r\n$1\r\na\r\n", "*0\r\n*1\r\n$4\r\nPING\r\n", "*2\r\n$-1\r\n", "*2\r\n:3\r\n",
        "*2\r\n$3\r\nGET\r\n$99999\r\n"}) {
    RequestCutter cutter({});
    feed(cutter, input);
    EXPECT_THAT(peeked(cutter), IsEmpty()) << input;
  }
}

TEST(RequestCutter, CutsAndRefusesWhatRedisCutsAndRefuses) {
  for (const CutCase& c : cases()) {
    const CutResult result = cut_whole(c.given);
    EXPECT_EQ(result.requests, c.then_requests) << c.given.substr(0, 60);
    EXPECT_EQ(result.error, c.then_error) << c.given.substr(0, 60);
  }
}

TEST(RequestCutter, EveryDivisionIntoTwoReadsGivesTheSame) {
  std::string all;
  for (const CutCase& c : cases()) {
    if (c.given.size() > 1000) continue;
    const CutResult whole = cut_whole(c.given);
    for (size_t first = 1; first < c.given.size(); ++first) {
      size_t reads = 0;
      const auto next_piece = [&] { return reads++ == 0 ? first : c.given.size(); };
      EXPECT_EQ(cut_all(c.given, {}, next_piece), whole) << c.given << " at " << first;
    }
    EXPECT_EQ(cut_all(c.given, {}, [] { return 1; }), whole) << c.given;
    if (c.then_error.empty() && whole.bytes_unconsumed == 0) all += c.given;
  }
  const CutResult whole = cut_whole(all);
  ASSERT_EQ(whole.error, "");
  for (size_t first = 1; first < all.size(); ++first) {
    for (const size_t read_bytes : {size_t{16}, RequestCutter::kReadBytes}) {
      size_t reads = 0;
      const auto next_piece = [&] { return reads++ == 0 ? first : all.size(); };
      EXPECT_EQ(cut_all(all, {.read_bytes = read_bytes}, next_piece), whole) << first;
    }
  }
}

TEST(RequestCutter, LongLinesAreJudgedByTheirLengthNotByTheReads) {
  for (const CutCase& c : cases()) {
    if (c.given.size() <= 1000) continue;
    for (size_t piece : {1000, 4096, 16'384, 65'535, 65'536, 65'537, 65'538}) {
      const CutResult result = cut_all(c.given, {}, [piece] { return piece; });
      EXPECT_EQ(result.requests, c.then_requests);
      EXPECT_EQ(result.error, c.then_error);
    }
  }
}

TEST(RequestCutter, RandomPipelinesComeOutAsTheyWentInWhateverTheReads) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 60; ++round) {
    std::string input;
    std::vector<Request> expected;
    for (size_t i = random() % 30; i-- > 0;) {
      Request request(1 + random() % 6);
      for (std::string& argument : request) {
        const size_t bytes_max = random() % 20 == 0 ? 200'000 : 40;
        argument.resize(random() % bytes_max);
        for (char& byte : argument) byte = static_cast<char>(random());
      }
      append_request(input, {request.begin(), request.end()});
      if (random() % 4 == 0) input += "\r\n";
      expected.push_back(std::move(request));
    }
    for (const size_t piece_max : {3, 100, 5000, 20'000, 1'000'000}) {
      if (piece_max < 100 && input.size() > 100'000) continue;
      for (const size_t read_bytes : {size_t{64}, RequestCutter::kReadBytes}) {
        const CutResult result =
            cut_all(input, {.read_bytes = read_bytes}, [&] { return 1 + random() % piece_max; });
        ASSERT_EQ(result.error, "");
        ASSERT_EQ(result.requests, expected);
        ASSERT_EQ(result.bytes_unconsumed, 0u);
      }
    }
  }
}

TEST(RequestCutter, BeforeAuthenticationSizesAreLimited) {
  const RequestCutter::Options options{.is_authenticated = false};
  const auto error_of = [&](std::string_view input) { return cut_whole(input, options).error; };
  EXPECT_EQ(error_of("*11\r\n"), protocol_error("unauthenticated multibulk length"));
  EXPECT_EQ(error_of("*1048576\r\n"), protocol_error("unauthenticated multibulk length"));
  EXPECT_EQ(error_of("*10\r\n$16385\r\n"), protocol_error("unauthenticated bulk length"));
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n"), protocol_error("invalid bulk length"));
  EXPECT_EQ(error_of("*10\r\n$16384\r\n"), "");
}

void put(RequestCutter& cutter, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = cutter.room();
    ASSERT_FALSE(room.empty());
    const size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    cutter.commit(count);
    bytes.remove_prefix(count);
  }
}

TEST(RequestCutter, TheRequestBehindAuthIsJudgedByWhatAuthSaid) {
  RequestCutter cutter({.is_authenticated = false});
  put(cutter, "AUTH secret\r\n*11\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(cutter.argv(), ElementsAre("AUTH", "secret"));
  cutter.set_authenticated(true);
  EXPECT_EQ(cutter.next(), Cut::kNeedMore);
}

TEST(RequestCutter, AnErrorIsForEver) {
  RequestCutter cutter({});
  put(cutter, "*x\r\nPING\r\n");
  ASSERT_EQ(cutter.next(), Cut::kProtocolError);
  EXPECT_EQ(cutter.next(), Cut::kProtocolError);
  EXPECT_THAT(cutter.argv(), IsEmpty());
}

TEST(RequestCutter, LimitsAreOptions) {
  RequestCutter::Options options{.bulk_bytes_max = 5, .argument_count_max = 2};
  EXPECT_EQ(cut_whole("*3\r\n", options).error, protocol_error("invalid multibulk length"));
  EXPECT_EQ(cut_whole("*1\r\n$6\r\n", options).error, protocol_error("invalid bulk length"));
  EXPECT_EQ(cut_whole("*1\r\n$5\r\nabcde\r\n", options).requests.size(), 1u);
  EXPECT_EQ(cut_whole("*1048577\r\n").error, protocol_error("invalid multibulk length"));
  EXPECT_EQ(cut_whole("*1048576\r\n").error, "");
}

TEST(RequestCutter, ViewsOfOneReadHoldTogether) {
  RequestCutter cutter({});
  put(cutter, "SET a 1\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  const std::vector<std::string_view> first(cutter.argv().begin(), cutter.argv().end());
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  const std::vector<std::string_view> second(cutter.argv().begin(), cutter.argv().end());
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_THAT(first, ElementsAre("SET", "a", "1"));
  EXPECT_THAT(second, ElementsAre("GET", "b"));
}

TEST(RequestCutter, ALargeBulkIsAnnouncedThenSizedOnceAndForgotten) {
  constexpr size_t kBytes = 64 * base::kMiB;
  RequestCutter cutter({});
  put(cutter, "PING\r\n*5\r\n$3\r\nSET\r\n$3\r\nkey\r\n$" + std::to_string(kBytes) + "\r\nab");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_EQ(cutter.bytes_wanted(), kBytes);
  EXPECT_EQ(cutter.capacity_bytes(), RequestCutter::kReadBytes) << "nothing before it is admitted";
  const char* const place = cutter.room().data();
  const size_t capacity = cutter.capacity_bytes();
  EXPECT_GE(capacity, kBytes);
  EXPECT_LT(capacity, kBytes + 64 * base::kKiB);
  size_t arrived = 0;
  const std::string piece(100'000, 'v');
  while (cutter.bytes_wanted() > 0) {
    const std::span<char> room = cutter.room();
    ASSERT_EQ(room.data(), place + arrived) << "the buffer moved";
    const size_t count = std::min(cutter.bytes_wanted(), piece.size());
    std::memcpy(room.data(), piece.data(), count);
    cutter.commit(count);
    arrived += count;
    ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  }
  put(cutter, "$2\r\nEX\r\n$2\r\n10\r\n*1\r\n");
  EXPECT_EQ(cutter.capacity_bytes(), capacity) << "short arguments behind it need no new buffer";
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_EQ(cutter.argv()[0], "SET");
  EXPECT_EQ(cutter.argv()[2].size(), kBytes);
  EXPECT_EQ(cutter.argv()[2].substr(0, 3), "abv");
  EXPECT_EQ(cutter.argv()[4], "10");
  EXPECT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_FALSE(cutter.room().empty());
  EXPECT_EQ(cutter.capacity_bytes(), RequestCutter::kReadBytes);
  put(cutter, "$4\r\nPING\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(cutter.argv(), ElementsAre("PING"));
}

TEST(RequestCutter, AnnouncedArgumentsReserveNothing) {
  RequestCutter cutter({});
  put(cutter, "*1048576\r\n$1\r\na\r\n");
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_LE(cutter.argv().size(), 1u);
  EXPECT_FALSE(cutter.room().empty());
  EXPECT_EQ(cutter.capacity_bytes(), RequestCutter::kReadBytes);
}

TEST(RequestCutter, AMillionArgumentsAndManyLargeOnesAreCutInLinearTime) {
  std::string input = "*1048576\r\n";
  for (size_t i = 0; i < base::kArgumentCountMax; ++i) input += "$1\r\na\r\n";
  CutResult result = cut_all(input, {}, [] { return 16'384; });
  ASSERT_EQ(result.requests.size(), 1u);
  EXPECT_EQ(result.requests[0].size(), base::kArgumentCountMax);
  const std::string large(100'000, 'x');
  input.clear();
  append_request(input, std::vector<base::ByteView>(1000, large));
  result = cut_all(input, {}, [] { return 16'384; });
  ASSERT_EQ(result.requests.size(), 1u);
  EXPECT_EQ(result.requests[0].back(), large);
}

// As a session reads: at most so much a turn, and all that is whole is cut.
void read_and_cut(RequestCutter& cutter, std::string_view& input, size_t bytes_max) {
  const std::span<char> room = cutter.room();
  ASSERT_FALSE(room.empty());
  const size_t count = std::min({room.size(), input.size(), bytes_max});
  std::memcpy(room.data(), input.data(), count);
  cutter.commit(count);
  input.remove_prefix(count);
}

TEST(RequestCutter, WhatHasComeOfALargeRequestStaysWhereItIs) {
  constexpr size_t kReadMax = 256 * base::kKiB;
  std::vector<std::string> words{"MSET"};
  for (size_t i = 0; i < 400'000; ++i) {
    words.push_back(i % 50'000 == 1 ? std::string(300'000, 'v') : "word" + std::to_string(i));
  }
  std::string input;
  append_request(input, {words.begin(), words.end()});
  const std::string behind = "PING\r\n*2\r\n$4\r\nEC";
  input += behind;
  RequestCutter cutter({});
  std::string_view left = input;
  std::vector<const char*> places;
  const std::string_view* list = nullptr;
  for (Cut cut = Cut::kNeedMore; cut == Cut::kNeedMore;) {
    ASSERT_FALSE(left.empty());
    read_and_cut(cutter, left, kReadMax);
    cut = cutter.next();
    const size_t arrived = input.size() - left.size();
    ASSERT_TRUE(cut == Cut::kRequest || cutter.bytes_unconsumed() == arrived);
    ASSERT_GE(cutter.capacity_bytes(), cutter.bytes_unconsumed());
    const Arguments argv = cutter.argv();
    ASSERT_GE(cutter.memory_bytes(), cutter.bytes_unconsumed() + argv.size() * sizeof(argv[0]));
    for (size_t i = 0; i < places.size(); i += 97) ASSERT_EQ(argv[i].data(), places[i]) << i;
    // The list grows by doubling only while it is short.
    ASSERT_TRUE(places.size() <= 20'000 || argv.data() == list);
    list = argv.data();
    // Before it is large it may still move.
    if (arrived < 2 * kReadMax) continue;
    for (size_t i = places.size(); i < argv.size(); ++i) places.push_back(argv[i].data());
  }
  EXPECT_GT(places.size(), 300'000u);
  EXPECT_TRUE(std::equal(words.begin(), words.end(), cutter.argv().begin(), cutter.argv().end()));
  EXPECT_EQ(cutter.bytes_unconsumed(), behind.size() - left.size());
  EXPECT_LT(cutter.memory_bytes(), input.size() * 5 / 4 + words.size() * sizeof(std::string_view));

  auto taken = cutter.take_request();
  ASSERT_TRUE(taken.has_value());
  EXPECT_GT(taken->buffers.size(), 5u);
  EXPECT_GE(taken->buffer_bytes, input.size() - behind.size());
  EXPECT_LE(cutter.memory_bytes(), RequestCutter::kReadBytes);
  put(cutter, left);
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(cutter.argv(), ElementsAre("PING"));
  put(cutter, "HO\r\n$1\r\na\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(cutter.argv(), ElementsAre("ECHO", "a"));
  EXPECT_TRUE(std::equal(words.begin(), words.end(), taken->words.begin(), taken->words.end()));
}

TEST(RequestCutter, ALargeRequestThatWasGivenOutLeavesAnOrdinaryBuffer) {
  std::string input;
  append_request(input, std::vector<base::ByteView>(100'000, "a word of it"));
  RequestCutter cutter({});
  for (int round = 0; round < 2; ++round) {
    std::string_view left = input;
    while (!left.empty()) {
      cutter.release_idle();  // not while bytes of it wait
      read_and_cut(cutter, left, 100'000);
      ASSERT_EQ(cutter.next(), left.empty() ? Cut::kRequest : Cut::kNeedMore);
    }
    EXPECT_EQ(cutter.argv().size(), 100'000u);
    EXPECT_EQ(cutter.argv().back(), "a word of it");
  }
  EXPECT_EQ(cutter.bytes_unconsumed(), 0u);
  EXPECT_FALSE(cutter.room().empty());
  EXPECT_EQ(cutter.capacity_bytes(), RequestCutter::kReadBytes);
  EXPECT_LE(cutter.memory_bytes(), RequestCutter::kReadBytes);
  cutter.release_idle();
  EXPECT_EQ(cutter.capacity_bytes(), 0u);
}

TEST(RequestCutter, AnErrorInALargeRequestForgetsItsParts) {
  std::string input = "*1000000\r\n";
  for (int i = 0; i < 20'000; ++i) input += "$3\r\nabc\r\n";
  RequestCutter cutter({});
  std::string_view left = input;
  while (!left.empty()) {
    read_and_cut(cutter, left, 20'000);
    ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  }
  put(cutter, "x\r\n");
  EXPECT_EQ(cutter.next(), Cut::kProtocolError);
  EXPECT_THAT(cutter.argv(), IsEmpty());
  EXPECT_LT(cutter.capacity_bytes(), input.size());
}

TEST(RequestCutter, AnIdleConnectionHoldsNoMemoryUnlessBytesWait) {
  RequestCutter cutter({});
  EXPECT_EQ(cutter.capacity_bytes(), 0u);
  put(cutter, "PING\r\nPI");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  cutter.release_idle();
  EXPECT_GT(cutter.capacity_bytes(), 0u);
  put(cutter, "NG\r\n");
  ASSERT_EQ(cutter.next(), Cut::kRequest);
  EXPECT_THAT(cutter.argv(), ElementsAre("PING"));
  cutter.release_idle();
  EXPECT_EQ(cutter.capacity_bytes(), 0u);
  put(cutter, "PING\r\n");
  EXPECT_EQ(cutter.next(), Cut::kRequest);
}

TEST(RequestCutter, MemoryIsWhatWasFilledAndNotWhatWasAnnounced) {
  RequestCutter cutter({});
  EXPECT_EQ(cutter.memory_bytes(), 0u);
  put(cutter, "*2\r\n$3\r\nSET\r\n$100000000\r\nabc");
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_FALSE(cutter.room().empty());  // a hundred megabytes, untouched
  EXPECT_GT(cutter.capacity_bytes(), 100'000'000u);
  EXPECT_LT(cutter.memory_bytes(), 1000u);
  RequestCutter large({});
  put(large, "*1\r\n$30000\r\n");
  ASSERT_EQ(large.next(), Cut::kNeedMore);
  put(large, std::string(30000, 'x') + "\r\n");
  ASSERT_EQ(large.next(), Cut::kRequest);
  // Given out, and still in memory.
  EXPECT_EQ(large.bytes_unconsumed(), 0u);
  EXPECT_GT(large.memory_bytes(), 30000u);
  large.release_idle();
  EXPECT_EQ(large.memory_bytes(), 0u);
}

TEST(RequestCutter, ARequestCanBeTakenAwayWithItsMemory) {
  const std::string long_word(100'000, 'x');
  for (const std::string behind : {"", "PING\r\n*1\r\n$4\r\nPI"}) {
    std::string input;
    append_request(input, {"MSET", "k", long_word});
    RequestCutter cutter({});
    put(cutter, input + behind);
    ASSERT_EQ(cutter.next(), Cut::kRequest);
    const auto taken = cutter.take_request();
    ASSERT_TRUE(taken.has_value());
    EXPECT_THAT(taken->words, ElementsAre("MSET", "k", long_word));
    EXPECT_GE(taken->buffer_bytes, long_word.size());
    EXPECT_LE(cutter.capacity_bytes(), RequestCutter::kReadBytes);
    if (!behind.empty()) {
      ASSERT_EQ(cutter.next(), Cut::kRequest);
      EXPECT_THAT(cutter.argv(), ElementsAre("PING"));
      put(cutter, "NG\r\n");
      ASSERT_EQ(cutter.next(), Cut::kRequest);
      EXPECT_THAT(cutter.argv(), ElementsAre("PING"));
    }
    put(cutter, "ECHO a\r\n");
    ASSERT_EQ(cutter.next(), Cut::kRequest);
    EXPECT_THAT(cutter.argv(), ElementsAre("ECHO", "a"));
    EXPECT_THAT(taken->words, ElementsAre("MSET", "k", long_word));
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // their malloc aborts here
TEST(RequestCutter, MemoryThatCannotBeHadIsSaidByAnEmptyRoom) {
  // More than any machine maps, so that malloc itself refuses.
  RequestCutter cutter({.bulk_bytes_max = size_t{1} << 60});
  put(cutter, "*1\r\n$1000000000000000000\r\n");
  ASSERT_EQ(cutter.next(), Cut::kNeedMore);
  EXPECT_TRUE(cutter.room().empty());
}
#endif

}  // namespace
}  // namespace alfheim::resp
