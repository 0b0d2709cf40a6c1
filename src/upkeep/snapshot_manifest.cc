#include "upkeep/snapshot_manifest.h"

#include <optional>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "vlog/segment_names.h"

namespace alfheim::upkeep {
namespace {

constexpr uint64_t kMagic = 0x3130504e53464c41;  // "ALFSNP01"
constexpr uint32_t kVersion = 1;
constexpr size_t kBodyOffset = 16;  // behind magic, version and checksum

base::Error corrupt(std::string_view words) {
  return base::Error{base::ErrorCode::kCorruption, base::format("snapshot manifest: {}", words)};
}

// The name below `dir`, or nothing.
std::optional<std::string_view> below(std::string_view name, std::string_view dir) {
  if (!name.starts_with(dir) || name.size() <= dir.size() || name[dir.size()] != '/') {
    return std::nullopt;
  }
  return name.substr(dir.size() + 1);
}

bool get_files(base::Reader& reader, std::vector<SnapshotFile>& files) {
  uint32_t count = 0;
  if (!reader.get_u32(count) || count > kSnapshotFilesMax) return false;
  for (; count > 0; --count) {
    base::ByteView name;
    SnapshotFile file;
    if (!reader.get_prefixed(name) || !reader.get_u64(file.bytes) || !reader.get_u32(file.crc)) {
      return false;
    }
    file.name = name;
    if (!is_snapshot_file(name) || (!files.empty() && files.back().name >= file.name)) return false;
    files.push_back(std::move(file));
  }
  return true;
}

bool get_trims(base::Reader& reader, std::vector<vlog::SegmentTrim>& trims) {
  uint32_t count = 0;
  if (!reader.get_u32(count) || count > vlog::kMetaTrimsMax) return false;
  trims.resize(count);
  for (vlog::SegmentTrim& trim : trims) {
    if (!reader.get_u64(trim.segment_id) || !reader.get_u64(trim.last_index.value)) return false;
  }
  return true;
}

// What a log and an index that fit each other say.
bool is_sound(const SnapshotManifest& manifest) {
  const uint64_t first = manifest.log_first.value;
  return manifest.id != 0 && first >= 1 && manifest.last.value >= first - 1 &&
         manifest.last.value != UINT64_MAX && manifest.applied.value >= first - 1 &&
         manifest.applied <= manifest.last && manifest.previous_term <= manifest.last_term;
}

}  // namespace

bool is_snapshot_file(std::string_view name) {
  if (name.size() > kSnapshotNameBytesMax || name.find('\0') != std::string_view::npos)
    return false;
  if (const auto segment = below(name, kSnapshotLogDir)) {
    const std::optional<uint64_t> id = vlog::parse_segment_name(*segment);
    return id && *id != 0 && vlog::segment_name(*id) == *segment;
  }
  const auto file = below(name, kSnapshotIndexDir);
  return file && !file->empty() && *file != "." && *file != ".." &&
         file->find('/') == std::string_view::npos;
}

base::Bytes encode_manifest(const SnapshotManifest& manifest) {
  ALF_CHECK(is_sound(manifest));
  ALF_CHECK(manifest.trims.size() <= vlog::kMetaTrimsMax);
  ALF_CHECK(manifest.files.size() <= kSnapshotFilesMax);
  base::Bytes head;
  base::put_u64(head, kMagic);
  base::put_u32(head, kVersion);
  base::Bytes body;
  base::put_u64(body, manifest.id);
  base::put_u64(body, manifest.origin.cluster_uid);
  base::put_u64(body, manifest.origin.node.value);
  base::put_u64(body, manifest.origin.group.value);
  base::put_u64(body, manifest.applied.value);
  base::put_u64(body, manifest.log_first.value);
  base::put_u64(body, manifest.previous_term.value);
  base::put_u64(body, manifest.last.value);
  base::put_u64(body, manifest.last_term.value);
  base::put_u32(body, static_cast<uint32_t>(manifest.trims.size()));
  for (const vlog::SegmentTrim& trim : manifest.trims) {
    base::put_u64(body, trim.segment_id);
    base::put_u64(body, trim.last_index.value);
  }
  base::put_u32(body, static_cast<uint32_t>(manifest.files.size()));
  for (const SnapshotFile& file : manifest.files) {
    ALF_CHECK(is_snapshot_file(file.name));
    base::put_prefixed(body, file.name);
    base::put_u64(body, file.bytes);
    base::put_u32(body, file.crc);
  }
  base::put_u32(head, base::crc32c(body, base::crc32c(head)));
  ALF_CHECK(head.size() == kBodyOffset);
  ALF_CHECK(head.size() + body.size() <= kManifestBytesMax);
  return head + body;
}

base::Result<SnapshotManifest> decode_manifest(base::ByteView bytes) {
  base::Reader reader(bytes);
  uint64_t magic = 0;
  uint32_t version = 0;
  uint32_t crc = 0;
  if (bytes.size() > kManifestBytesMax) return corrupt("it is too long");
  if (!reader.get_u64(magic) || !reader.get_u32(version) || !reader.get_u32(crc)) {
    return corrupt("it is too short");
  }
  if (magic != kMagic) return corrupt("its magic number is another one");
  if (version != kVersion) return corrupt(base::format("version {} is not known", version));
  if (crc != base::crc32c(reader.rest(), base::crc32c(bytes.substr(0, kBodyOffset - 4)))) {
    return corrupt("its checksum does not match");
  }
  SnapshotManifest manifest;
  const bool is_read =
      reader.get_u64(manifest.id) && reader.get_u64(manifest.origin.cluster_uid) &&
      reader.get_u64(manifest.origin.node.value) && reader.get_u64(manifest.origin.group.value) &&
      reader.get_u64(manifest.applied.value) && reader.get_u64(manifest.log_first.value) &&
      reader.get_u64(manifest.previous_term.value) && reader.get_u64(manifest.last.value) &&
      reader.get_u64(manifest.last_term.value) && get_trims(reader, manifest.trims) &&
      get_files(reader, manifest.files) && reader.is_empty();
  if (!is_read) return corrupt("its fields are not those of version 1");
  if (!is_sound(manifest)) {
    return corrupt(base::format("index {}, log {}..{} do not fit each other",
                                manifest.applied.value, manifest.log_first.value,
                                manifest.last.value));
  }
  return manifest;
}

}  // namespace alfheim::upkeep
