#include "vlog/meta_v1.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;

constexpr uint64_t kMetaMagic = 0x314154454d464c41;  // "ALFMETA1"
constexpr uint32_t kMetaVersion = 1;
constexpr size_t kFixedBytes = 8 + 4 + 4 + 8 + 3 * 8 + 2 * 8 + 2 * 8 + 8 + 2 * 8 + 4 + 4;
static_assert(kFixedBytes + kMetaTrimsMax * 16 <= kMetaBlockBytes);

base::Error bad(std::string message) { return {ErrorCode::kCorruption, std::move(message)}; }

bool get_fixed_part(base::Reader& reader, Meta& meta, uint32_t& flags, uint32_t& trim_count) {
  return reader.get_u64(meta.generation) && reader.get_u64(meta.identity.cluster_uid) &&
         reader.get_u64(meta.identity.node.value) && reader.get_u64(meta.identity.group.value) &&
         reader.get_u64(meta.hard_state.term.value) && reader.get_u64(meta.hard_state.vote.value) &&
         reader.get_u64(meta.log_start.value) &&
         reader.get_u64(meta.log_start_previous_term.value) &&
         reader.get_u64(meta.next_segment_id) && reader.get_u64(meta.clean_tail_id) &&
         reader.get_u64(meta.clean_tail_bytes) && reader.get_u32(flags) &&
         reader.get_u32(trim_count);
}

}  // namespace

base::Bytes encode_meta(const Meta& meta) {
  ALF_CHECK(meta.trims.size() <= kMetaTrimsMax);
  ALF_CHECK(meta.log_start.value >= 1);
  base::Bytes body;
  base::put_u64(body, meta.generation);
  base::put_u64(body, meta.identity.cluster_uid);
  base::put_u64(body, meta.identity.node.value);
  base::put_u64(body, meta.identity.group.value);
  base::put_u64(body, meta.hard_state.term.value);
  base::put_u64(body, meta.hard_state.vote.value);
  base::put_u64(body, meta.log_start.value);
  base::put_u64(body, meta.log_start_previous_term.value);
  base::put_u64(body, meta.next_segment_id);
  base::put_u64(body, meta.clean_tail_id);
  base::put_u64(body, meta.clean_tail_bytes);
  base::put_u32(body, meta.is_clean ? 1 : 0);
  base::put_u32(body, static_cast<uint32_t>(meta.trims.size()));
  for (const SegmentTrim& trim : meta.trims) {
    base::put_u64(body, trim.segment_id);
    base::put_u64(body, trim.last_index.value);
  }
  // The checksum covers the padding too, so that no byte of the block goes unguarded.
  body.resize(kMetaBlockBytes - 16, '\0');
  base::Bytes block;
  base::put_u64(block, kMetaMagic);
  base::put_u32(block, kMetaVersion);
  base::put_u32(block, base::crc32c(body, base::crc32c(block)));
  block += body;
  ALF_CHECK(block.size() == kMetaBlockBytes);
  return block;
}

base::Result<Meta> decode_meta(base::ByteView block) {
  if (block.size() != kMetaBlockBytes) {
    return bad(base::format("META block has {} bytes, {} expected", block.size(), kMetaBlockBytes));
  }
  base::Reader reader(block);
  uint64_t magic = 0;
  uint32_t version = 0, crc = 0, flags = 0, trim_count = 0;
  const bool has_prefix = reader.get_u64(magic) && reader.get_u32(version) && reader.get_u32(crc);
  ALF_CHECK(has_prefix);
  if (magic != kMetaMagic) return bad(base::format("META magic {:#018x} unknown", magic));
  if (version != kMetaVersion) return bad(base::format("META version {} unknown", version));
  const uint32_t computed = base::crc32c(block.substr(16), base::crc32c(block.substr(0, 12)));
  if (crc != computed) {
    return bad(base::format("META crc {:#010x} stored, {:#010x} computed", crc, computed));
  }
  Meta meta;
  if (!get_fixed_part(reader, meta, flags, trim_count)) return bad("META block is too short");
  if (flags > 1) return bad(base::format("META flags {:#x} unknown", flags));
  if (trim_count > kMetaTrimsMax) return bad(base::format("META names {} trims", trim_count));
  if (meta.log_start.value == 0) return bad("META names 0 as the first index of the log");
  meta.is_clean = flags == 1;
  meta.trims.resize(trim_count);
  for (SegmentTrim& trim : meta.trims) {
    if (!reader.get_u64(trim.segment_id) || !reader.get_u64(trim.last_index.value)) {
      return bad("META block is too short for its trims");
    }
  }
  return meta;
}

}  // namespace alfheim::vlog
