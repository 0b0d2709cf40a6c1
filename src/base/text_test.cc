#include "base/text.h"

#include <absl/container/flat_hash_map.h>
#include <gtest/gtest.h>

#include "base/format.h"
#include "base/hash.h"

namespace alfheim::base {
namespace {

TEST(Text, CaseIsAsciiOnly) {
  EXPECT_EQ(to_lower("GeT[@`{\xc4"), "get[@`{\xc4");
  EXPECT_EQ(to_upper("GeT[@`{\xe4"), "GET[@`{\xe4");
  EXPECT_TRUE(equals_ignore_case("GET", "get"));
  EXPECT_FALSE(equals_ignore_case("get", "gets"));
  EXPECT_FALSE(equals_ignore_case("@", "`"));
  EXPECT_FALSE(equals_ignore_case("\xc4", "\xe4"));
}

// The form in which redis-server 7.0.15's MONITOR shows the 256 bytes.
TEST(Text, QuotedIsTheFormOfRedis) {
  Bytes all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  const Bytes text = to_quoted(all);
  const ByteView head =
      "\"\\x00\\x01\\x02\\x03\\x04\\x05\\x06\\a\\b\\t\\n\\x0b\\x0c\\r\\x0e\\x0f\\x10\\x11\\x12\\x13"
      "\\x14\\x15\\x16\\x17\\x18\\x19\\x1a\\x1b\\x1c\\x1d\\x1e\\x1f !\\\"#$%&'()*+,-./0123456789:;"
      "<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\\x7f\\x80\\x81";
  EXPECT_EQ(ByteView(text).substr(0, head.size()), head);
  EXPECT_TRUE(text.ends_with("\\xfe\\xff\""));
}

TEST(Hash, AMapOfBytesIsAskedWithAViewWithoutMakingAString) {
  absl::flat_hash_map<Bytes, int, BytesHash, BytesEqual> map;
  map["key"] = 1;
  const ByteView view = "key";
  ASSERT_TRUE(map.contains(view));
  EXPECT_EQ(map.find(view)->second, 1);
  EXPECT_FALSE(map.contains(ByteView("kez")));
  EXPECT_EQ(hash64("key"), BytesHash()("key"));
  EXPECT_NE(hash64("key", 1), hash64("key", 2));
}

TEST(Format, FillsThePlaces) { EXPECT_EQ(format("{} of {:#x}", 1, 255), "1 of 0xff"); }

TEST(Text, TheParentOfAPathIsTheDirectoryThatHoldsItsName) {
  const std::pair<const char*, const char*> cases[] = {{"a", "."},      {"a/b", "a"}, {"/a", "/"},
                                                       {"/a/b/", "/a"}, {"a//", "."}, {"/", "/"}};
  for (const auto& [path, parent] : cases) EXPECT_EQ(parent_path(path), parent) << path;
}

}  // namespace
}  // namespace alfheim::base
