#include "command/lcs.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace alfheim::command {

using base::ByteView;

namespace {

// Which way to step back at a pair of positions without a match: set is "in the first string".
class Directions {
 public:
  Directions(size_t row_count, size_t column_count)
      : words_per_row_((column_count + 63) / 64), words_(row_count * words_per_row_) {}

  void set(size_t row, size_t column) {
    words_[row * words_per_row_ + column / 64] |= uint64_t{1} << (column % 64);
  }
  bool is_set(size_t row, size_t column) const {
    return (words_[row * words_per_row_ + column / 64] >> (column % 64) & 1) != 0;
  }

 private:
  size_t words_per_row_;
  std::vector<uint64_t> words_;
};

// Fills the table of lengths row by row, keeping one row. `directions` may be null.
uint32_t fill_table(ByteView first, ByteView second, Directions* directions) {
  ALF_CHECK(first.size() < std::numeric_limits<uint32_t>::max());
  ALF_CHECK(second.size() < std::numeric_limits<uint32_t>::max());
  std::vector<uint32_t> lengths(second.size() + 1, 0);
  for (size_t i = 0; i < first.size(); ++i) {
    uint32_t diagonal = 0;  // the length above and to the left
    uint32_t left = 0;
    for (size_t j = 0; j < second.size(); ++j) {
      const uint32_t above = lengths[j + 1];
      uint32_t here = std::max(above, left);
      if (first[i] == second[j]) {
        here = diagonal + 1;
      } else if (directions != nullptr && above > left) {
        directions->set(i, j);
      }
      diagonal = above;
      left = here;
      lengths[j + 1] = here;
    }
  }
  return lengths.back();
}

}  // namespace

uint32_t common_subsequence_length(ByteView first, ByteView second) {
  return fill_table(first, second, nullptr);
}

CommonSubsequence common_subsequence(ByteView first, ByteView second) {
  Directions directions(first.size(), second.size());
  const uint32_t length = fill_table(first, second, &directions);
  CommonSubsequence result;
  result.text.resize(length);
  uint32_t rest = length;
  bool is_adjacent = false;  // the last step back was a match
  auto i = static_cast<uint32_t>(first.size());
  auto j = static_cast<uint32_t>(second.size());
  while (i > 0 && j > 0) {
    if (first[i - 1] == second[j - 1]) {
      --i;
      --j;
      ALF_CHECK(rest > 0);
      result.text[--rest] = first[i];
      if (is_adjacent) {
        result.ranges.back().first_begin = i;
        result.ranges.back().second_begin = j;
      } else {
        result.ranges.push_back(CommonRange{i, i, j, j});
      }
      is_adjacent = true;
      continue;
    }
    is_adjacent = false;
    if (directions.is_set(i - 1, j - 1)) {
      --i;
    } else {
      --j;
    }
  }
  ALF_CHECK(rest == 0);
  return result;
}

}  // namespace alfheim::command
