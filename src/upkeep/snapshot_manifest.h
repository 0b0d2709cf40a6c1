// upkeep/snapshot_manifest: what a snapshot is made of, and how that lies in its file MANIFEST.
//
// A snapshot is the index as it was persisted at entry `applied`, below index/, and the sealed
// segments that hold the log from `log_first` up to `last` and every value that the index names,
// below log/. All of its entries are committed: whoever opens it holds nothing that could be taken
// back. Nothing in it is of the node that made it, so any member of the group may open it.
//
// Pure functions over bytes. Thread: any. Format: docs/formats/snapshot.md (version 1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "vlog/meta_v1.h"

namespace alfheim::upkeep {

inline constexpr std::string_view kManifestName = "MANIFEST";
inline constexpr std::string_view kSnapshotLogDir = "log";
inline constexpr std::string_view kSnapshotIndexDir = "index";

struct SnapshotFile {
  std::string name;  // "log/NAME" or "index/NAME"
  uint64_t bytes = 0;
  uint32_t crc = 0;  // crc32c of the whole file, seed 0
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

struct SnapshotManifest {
  uint64_t id = 0;        // random, not 0
  vlog::Identity origin;  // who made it
  base::LogIndex applied;
  base::LogIndex log_first{1};
  base::Term previous_term;  // of entry log_first - 1
  base::LogIndex last;
  base::Term last_term;
  // What footers list, and was truncated or lies behind `last`.
  std::vector<vlog::SegmentTrim> trims;
  std::vector<SnapshotFile> files;  // strictly ascending by name
  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

inline constexpr size_t kSnapshotFilesMax = 16000;  // with MANIFEST a list on the wire has room
inline constexpr size_t kSnapshotNameBytesMax = 255;
// No MANIFEST is longer: some 270 bytes a file.
inline constexpr size_t kManifestBytesMax = 8 * 1024 * 1024;

// Whether `name` is of a snapshot's file: a name directly below log/ or index/, and below log/ that
// of a segment. Whoever writes files that a peer has named asks.
bool is_snapshot_file(std::string_view name);

// The caller keeps the limits and the order.
base::Bytes encode_manifest(const SnapshotManifest& manifest);
// kCorruption says what was wrong with it.
base::Result<SnapshotManifest> decode_manifest(base::ByteView bytes);

}  // namespace alfheim::upkeep
