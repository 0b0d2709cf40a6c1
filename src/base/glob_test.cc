#include "base/glob.h"

#include <gtest/gtest.h>

namespace alfheim::base {
namespace {

struct GlobCase {
  ByteView pattern;
  ByteView text;
  bool then;
};

// Each line was asked of redis-server 7.0.15: SET <text>, KEYS <pattern>.
constexpr GlobCase kCases[] = {
    {"**", "", false},
    {"***", "a", true},
    {"", "", true},
    {"", "a", false},
    {"a*", "a", true},
    {"*a*", "a", true},
    {"a?", "a", false},
    {"h[^e]llo", "hello", false},
    {"h[^e]llo", "hallo", true},
    {"[", "[", false},
    {"[", "a", false},
    {"[^", "a", true},
    {"[^", "", false},
    {"[a", "a", true},
    {"[a", "b", false},
    {"[a-", "a", true},
    {"[a-", "-", true},
    {"[a-]", "b", false},
    {"[a-]", "]", true},
    {"[a-]", "^", true},
    {"[z-a]", "m", true},
    {"[\\]]", "]", true},
    {"[\\a-c]", "b", false},
    {"[\\a-c]", "-", true},
    {"[\\", "\\", true},
    {"[]a]", "a", false},
    {"[]a]", "]a]", false},
    {"[]", "a", false},
    {"[^]", "a", true},
    {"[^]", "^", true},
    {"\\", "\\", true},
    {"a\\", "a\\", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"*\\", "\\", true},
    {"[a-\\]]", "b", false},
    {"a**b", "ab", true},
    {"a**b", "axxb", true},
    {"*?", "a", true},
    {"?*", "a", true},
    {"?*?", "a", false},
    {"?*?", "ab", true},
    {"[\x80-\xff]", "\x90", true},
    {"[a-\xff]", "b", false},
    {"[a-\xff]", "\x90", false},
    {"[a-\xff]", "A", true},
    {"[a-\xff]", "\x01", true},
    {"[^a-c]*d", "xyzd", true},
    {"a[b-]", "a-", false},
    {"[--0]", ".", true},
    {"[a-c-e]", "-", true},
    {"[a-c-e]", "d", false},
    {"*[", "", false},
    {"*[", "a[", false},
    {"*[^", "ab", true},
    {"*a", "aaab", false},
    {"*a", "aaba", true},
    {"a*b*c", "abcbc", true},
    {"a*b*c", "abcb", false},
};

TEST(Glob, MatchesWhatRedisMatches) {
  for (const auto& [pattern, text, then] : kCases) {
    EXPECT_EQ(glob_match(pattern, text), then) << "'" << pattern << "' against '" << text << "'";
  }
}

// Asked of redis-server 7.0.15 with CONFIG GET <pattern>, against "maxmemory-samples".
TEST(Glob, WithoutCaseItLowersLettersAndRangesButNotEscapesInClasses) {
  constexpr GlobCase kNoCase[] = {
      {"MAXMEMORY-S[A-Z]mples", "maxmemory-samples", true},
      {"maxmemory-s[\\A]mples", "maxmemory-samples", false},
      {"maxmemory-s[\\a]mples", "maxmemory-samples", true},
      {"maxmemory-s[Z-A]mples", "maxmemory-samples", true},
      {"maxmemory-s[Z-a]mples", "maxmemory-samples", false},
      {"maxmemory-s[_-b]mples", "maxmemory-samples", true},
      {"M*\\Les", "maxmemory-samples", true},
  };
  for (const auto& [pattern, text, then] : kNoCase) {
    EXPECT_EQ(glob_match(pattern, text, true), then) << pattern;
  }
  EXPECT_FALSE(glob_match("ABC", "abc"));
}

TEST(Glob, AnEvilPatternDoesNotBlowUp) {
  Bytes pattern;
  for (int i = 0; i < 300; ++i) pattern += "a*";
  pattern += 'b';
  EXPECT_FALSE(glob_match(pattern, Bytes(30'000, 'a')));
  pattern.clear();
  for (int i = 0; i < 300; ++i) pattern += "*?[^b]";
  EXPECT_FALSE(glob_match(pattern + 'b', Bytes(30'000, 'a')));
}

}  // namespace
}  // namespace alfheim::base
