// Replays tables of commands and replies that a real redis-server has given
// (tests/golden/command, scripts/golden_commands).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "command/string_testing.h"
#include "resp/inline_request.h"

namespace alfheim::command {
namespace {

using base::Bytes;
using base::ByteView;

struct GoldenCase {
  const char* name;
  const char* file;
  ValuesAs values;
  uint64_t value_threshold_bytes;
};

// So that a failure names its case.
void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

class StringGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(StringGolden, EveryReplyIsThatOfRedis) {
  const GoldenCase& golden = GetParam();
  const Bytes path = Bytes(ALF_SOURCE_DIR "/tests/golden/command/") + golden.file;
  std::ifstream file(path);
  ASSERT_TRUE(file.is_open()) << path;
  StringBench bench(golden.values);
  bench.world.point.value_threshold_bytes = golden.value_threshold_bytes;
  Bytes line;
  int line_number = 0;
  int reply_count = 0;
  while (std::getline(file, line)) {
    ++line_number;
    if (line.empty() || line.front() == '#') continue;
    const Bytes as_written = line;
    std::vector<ByteView> words;
    ASSERT_TRUE(resp::split_inline(line, words)) << path << ":" << line_number;
    if (words.front() == "HELLO") {
      bench.run(words);
      continue;
    }
    ASSERT_GE(words.size(), 3u) << path << ":" << line_number;
    const ByteView expected = words.back();
    ASSERT_EQ(words[words.size() - 2], "=>") << path << ":" << line_number;
    words.resize(words.size() - 2);
    const Bytes reply = bench.run(words);
    // Integers are only known where the bytes are: values kept elsewhere are never "int".
    const bool is_of_layout = words.front() == "OBJECT" && golden.values != ValuesAs::kInMemory;
    if (is_of_layout && golden.value_threshold_bytes <= 20) continue;
    ++reply_count;
    EXPECT_EQ(base::to_quoted(reply), base::to_quoted(expected))
        << path << ":" << line_number << ": " << as_written;
    if (HasFailure() && reply_count > 2000) break;
  }
  EXPECT_GT(reply_count, 500);
  EXPECT_THAT(types::inconsistencies(bench.world.records, bench.world.table), testing::IsEmpty());
}

constexpr GoldenCase kCases[] = {
    {"given in memory", "strings.txt", ValuesAs::kInMemory, 1024},
    {"standing in the entry", "strings.txt", ValuesAs::kInEntry, 1024},
    {"always separated", "strings.txt", ValuesAs::kInEntry, 1},
    {"unread in fragments", "strings.txt", ValuesAs::kUnreadFragments, 1},
    {"random, standing in the entry", "strings_random.txt", ValuesAs::kInEntry, 1024},
    {"random, always separated", "strings_random.txt", ValuesAs::kInEntry, 1},
    {"random, unread in fragments", "strings_random.txt", ValuesAs::kUnreadFragments, 1},
};
INSTANTIATE_TEST_SUITE_P(Tables, StringGolden, testing::ValuesIn(kCases));

}  // namespace
}  // namespace alfheim::command
