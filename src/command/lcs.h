// command/lcs: the longest common subsequence of two strings, as Redis's LCS finds it.
//
// Among equally long subsequences it takes the one that Redis takes: walking back from both
// ends it steps in the second string unless the first one alone promises more. It keeps one
// bit per pair of positions (which way to step) and one row of lengths, where Redis keeps 32
// bits per pair.
//
// Thread: any; pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace alfheim::command {

// A piece of both strings that stands in the subsequence without a gap; ends inclusive.
struct CommonRange {
  uint32_t first_begin;
  uint32_t first_end;
  uint32_t second_begin;
  uint32_t second_end;
  uint32_t length() const { return first_end - first_begin + 1; }
};

struct CommonSubsequence {
  base::Bytes text;
  std::vector<CommonRange> ranges;  // from the strings' ends to their beginnings
};

// Both strings are shorter than 2^32 - 1 bytes.
uint32_t common_subsequence_length(base::ByteView first, base::ByteView second);
CommonSubsequence common_subsequence(base::ByteView first, base::ByteView second);

}  // namespace alfheim::command
