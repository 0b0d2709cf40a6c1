// Fuzzes resp/reply_scanner: no input may crash it, and how the bytes are divided must not change
// where replies end.
//
// The first byte seeds the division; the rest is the input.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/reply_scanner.h"

namespace {

using alfheim::resp::ReplyScanner;

// Where each reply ends; a last 0: what follows is none.
template <typename NextPiece>
std::vector<size_t> ends_of(std::string_view input, NextPiece next_piece) {
  ReplyScanner scanner;
  std::vector<size_t> ends;
  size_t place = 0;
  while (place < input.size()) {
    std::string_view piece = input.substr(place, next_piece());
    while (!piece.empty()) {
      size_t taken = 0;
      const ReplyScanner::Found found = scanner.scan(piece, taken);
      ALF_CHECK(taken <= piece.size());
      place += taken;
      piece.remove_prefix(taken);
      if (found == ReplyScanner::Found::kBroken) {
        ends.push_back(0);
        return ends;
      }
      ALF_CHECK(scanner.is_within() == (found == ReplyScanner::Found::kMore));
      if (found == ReplyScanner::Found::kMore) {
        ALF_CHECK(piece.empty());
      } else {
        ALF_CHECK(taken > 0);
        ends.push_back(place);
      }
    }
  }
  return ends;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = ends_of(input, [] { return size_t{1} << 30; });
  uint32_t chance = data[0] + 1u;
  const auto next_piece = [&chance] {
    chance = chance * 1664525u + 1013904223u;
    return 1 + (chance >> 24) % 9;
  };
  ALF_CHECK(ends_of(input, next_piece) == whole);
  ALF_CHECK(ends_of(input, [] { return size_t{1}; }) == whole);
  return 0;
}
