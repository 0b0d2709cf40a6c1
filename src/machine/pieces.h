// machine/pieces: bytes that are put together as pieces of one length, for bodies in fragments.
//
// Thread: none of its own. Lifetime: a value.
#pragma once

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"

namespace alfheim::machine {

class Pieces {
 public:
  // `expected_bytes` in all: what is known is not reserved in vain.
  explicit Pieces(uint64_t expected_bytes) : left_(expected_bytes) {}

  void append(base::ByteView bytes) {
    while (!bytes.empty()) {
      if (pieces_.empty() || pieces_.back().size() == base::kFragmentBytes) open();
      const size_t room = base::kFragmentBytes - pieces_.back().size();
      const base::ByteView part = bytes.substr(0, room);
      pieces_.back().append(part);
      bytes.remove_prefix(part.size());
    }
  }
  void append(const char* bytes, size_t count) { append(base::ByteView(bytes, count)); }
  std::vector<base::Bytes> take() { return std::move(pieces_); }

 private:
  void open() {
    pieces_.emplace_back().reserve(std::min<uint64_t>(left_, base::kFragmentBytes));
    left_ -= std::min<uint64_t>(left_, base::kFragmentBytes);
  }

  uint64_t left_;
  std::vector<base::Bytes> pieces_;  // all but the last are kFragmentBytes long
};

}  // namespace alfheim::machine
