// base/hash: XXH3 for containers keyed by bytes, asked with std::string or string_view alike.
//
// Debian's absl has a string_view of its own, so its containers get these two:
//   absl::flat_hash_map<Bytes, V, BytesHash, BytesEqual>
// The order of such a container is no fact: nothing replicated may depend on it.
#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace alfheim::base {

inline uint64_t hash64(ByteView bytes, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

struct BytesHash {
  using is_transparent = void;
  size_t operator()(ByteView bytes) const { return hash64(bytes); }
};

struct BytesEqual {
  using is_transparent = void;
  bool operator()(ByteView left, ByteView right) const { return left == right; }
};

}  // namespace alfheim::base
