// resp/cut_all: what a whole input is cut into, for tests, benches and the fuzzer.
//
// Feeds `input` in the pieces that `next_piece` asks for and copies what comes out, so that two
// ways of dividing the same bytes can be compared.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "resp/request_cutter.h"

namespace alfheim::resp {

struct CutResult {
  std::vector<std::vector<std::string>> requests;
  std::string error;
  size_t bytes_unconsumed = 0;
  size_t bytes_wanted = 0;
  friend bool operator==(const CutResult&, const CutResult&) = default;
};

// Takes every request that is there; false at a protocol error. What was seen of one before its
// turn is what it has then.
inline bool drain(RequestCutter& cutter, CutResult& result) {
  for (;;) {
    size_t offset = 0;
    const std::optional<std::string_view> seen = cutter.peek_second_word(offset);
    const size_t waiting = cutter.bytes_unconsumed();
    switch (cutter.next()) {
      case Cut::kNeedMore: ALF_CHECK(!seen); return true;
      case Cut::kProtocolError: result.error = cutter.error(); return false;
      case Cut::kRequest: break;
    }
    const std::vector<std::string>& words =
        result.requests.emplace_back(cutter.argv().begin(), cutter.argv().end());
    if (!seen) continue;
    ALF_CHECK(*seen == (words.size() > 1 ? words[1] : std::string()));
    ALF_CHECK(waiting - cutter.bytes_unconsumed() == offset);
  }
}

// `next_piece()` says how many bytes the next read brings (at least 1).
template <typename NextPiece>
CutResult cut_all(std::string_view input, RequestCutter::Options options, NextPiece next_piece) {
  RequestCutter cutter(options);
  CutResult result;
  bool is_good = true;
  while (is_good && !input.empty()) {
    const std::span<char> room = cutter.room();
    ALF_CHECK(!room.empty());
    const size_t count = std::min({room.size(), input.size(), static_cast<size_t>(next_piece())});
    ALF_CHECK(count > 0);
    std::memcpy(room.data(), input.data(), count);
    input.remove_prefix(count);
    cutter.commit(count);
    is_good = drain(cutter, result);
  }
  // What stands behind an error is nobody's, and how much of it was read is chance.
  if (is_good) {
    result.bytes_unconsumed = cutter.bytes_unconsumed();
    result.bytes_wanted = cutter.bytes_wanted();
  }
  return result;
}

}  // namespace alfheim::resp
