// base/limits: the named bounds that several rooms share. A bound of one room stands in it.
//
// Those marked "format" change what is stored or replicated and may only change with a
// format version or a feature level; the others are defaults of options.
#pragma once

#include <cstddef>
#include <cstdint>

namespace alfheim::base {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;
inline constexpr size_t kGiB = 1024 * kMiB;

// Format: the largest payload of one log entry.
inline constexpr size_t kEntryBytesMax = 2 * kMiB;
// Format: a value larger than this goes ahead of its command, cut into pieces of this size.
inline constexpr size_t kFragmentBytes = 1 * kMiB;
// Format: number of databases that SELECT can name.
inline constexpr uint32_t kDatabaseCount = 16;
// Format: hash slots of Redis Cluster.
inline constexpr uint32_t kSlotCount = 16384;
// Default of --value-threshold: values from here on are separated (read at their address).
inline constexpr size_t kValueThresholdBytesDefault = 1024;
// Default of proto-max-bulk-len, and the longest string (as in Redis).
inline constexpr size_t kBulkBytesMax = 512 * kMiB;
// Redis's limit on the arguments of one request.
inline constexpr size_t kArgumentCountMax = 1024 * 1024;

static_assert(kFragmentBytes < kEntryBytesMax);

}  // namespace alfheim::base
