#include "base/glob.h"

#include <utility>

#include "base/text.h"

namespace alfheim::base {
namespace {

bool is_in_range(char low, char high, char letter, bool is_case_insensitive) {
  auto start = static_cast<signed char>(low);
  auto end = static_cast<signed char>(high);
  auto found = static_cast<signed char>(letter);
  // Redis orders the ends first and lowers them after; "[Z-a]" therefore matches nothing.
  if (start > end) std::swap(start, end);
  if (is_case_insensitive) {
    start = static_cast<signed char>(ascii_lower(static_cast<char>(start)));
    end = static_cast<signed char>(ascii_lower(static_cast<char>(end)));
    found = static_cast<signed char>(ascii_lower(static_cast<char>(found)));
  }
  return start <= found && found <= end;
}

bool is_same(char left, char right, bool is_case_insensitive) {
  return is_case_insensitive ? ascii_lower(left) == ascii_lower(right) : left == right;
}

// Tests `letter` against the class that begins behind '[' at `place`, and moves `place` behind
// the class. A class without ']' ends with the pattern.
bool match_class(ByteView pattern, size_t& place, char letter, bool is_case_insensitive) {
  const bool is_negated = place < pattern.size() && pattern[place] == '^';
  if (is_negated) ++place;
  bool is_matched = false;
  while (place < pattern.size() && pattern[place] != ']') {
    const size_t left = pattern.size() - place;
    if (left >= 2 && pattern[place] == '\\') {
      // An escaped byte compares exactly, also where case does not matter.
      is_matched |= pattern[place + 1] == letter;
      place += 2;
    } else if (left >= 3 && pattern[place + 1] == '-') {
      is_matched |= is_in_range(pattern[place], pattern[place + 2], letter, is_case_insensitive);
      place += 3;
    } else {
      is_matched |= is_same(pattern[place], letter, is_case_insensitive);
      ++place;
    }
  }
  if (place < pattern.size()) ++place;
  return is_matched != is_negated;
}

// Tests one byte of text against the element at `place`, and moves `place` behind the element.
bool match_one(ByteView pattern, size_t& place, char letter, bool is_case_insensitive) {
  switch (pattern[place]) {
    case '?': ++place; return true;
    case '[': ++place; return match_class(pattern, place, letter, is_case_insensitive);
    case '\\':
      if (pattern.size() - place >= 2) ++place;
      break;
    default: break;
  }
  return is_same(pattern[place++], letter, is_case_insensitive);
}

void skip_stars(ByteView pattern, size_t& place) {
  while (place < pattern.size() && pattern[place] == '*') ++place;
}

}  // namespace

bool glob_match(ByteView pattern, ByteView text, bool is_case_insensitive) {
  if (text.empty()) return pattern.empty();
  // Only the last '*' needs to be tried again: what stands before it has already matched as
  // early as it can, so a longer match there can only leave less text for the rest.
  size_t place = 0;
  size_t retry_place = ByteView::npos;
  size_t retry_text = 0;
  size_t i = 0;
  while (i < text.size()) {
    if (place < pattern.size() && pattern[place] == '*') {
      skip_stars(pattern, place);
      if (place == pattern.size()) return true;
      retry_place = place;
      retry_text = i;
    } else if (place < pattern.size() && match_one(pattern, place, text[i], is_case_insensitive)) {
      ++i;
    } else {
      if (retry_place == ByteView::npos) return false;
      place = retry_place;
      i = ++retry_text;
    }
  }
  skip_stars(pattern, place);
  return place == pattern.size();
}

}  // namespace alfheim::base
