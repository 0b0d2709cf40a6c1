#include "vlog/recovery.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "vlog/batch_scanner.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {

struct CopyBatch {
  uint64_t entry_count = 0;
  uint64_t body_bytes = 0;
};

namespace {

using base::ErrorCode;

// Copied entries go in batches of about this size: each is read, kept and written as one.
constexpr uint64_t kCopyBodyBytes = base::kMiB;

// Whether a record whose checksums are good may stand here; it says why not.
std::optional<std::string> misplaced(const Segment& segment, const ScannedRecord& record,
                                     bool is_copying) {
  const base::LogIndex index = record.header.index;
  const SegmentTable& table = segment.table;
  if (index < table.first_index() || index > table.last_index().next()) {
    return base::format("record of entry {} after entries {}..{}", index.value,
                        table.first_index().value, table.last_index().value);
  }
  if (record.header.is_copied) {
    if (!is_copying) return "copied record after records of the segment's own";
    if (index != table.last_index().next() && !ALF_MUTANT(CopiedRecordTruncates)) {
      return "copied record would truncate";
    }
    if (index > segment.header.copied_last_index) return "copied record beyond the copied ones";
  }
  const bool keeps_term_order =
      index == table.first_index() ||
      table.term_at(base::LogIndex{index.value - 1}) <= record.header.term;
  if (!keeps_term_order) return base::format("term falls at entry {}", index.value);
  return std::nullopt;
}

// The batches that a table's entries were written in: within one, records touch.
std::vector<CopyBatch> batches_of(const SegmentTable& table) {
  std::vector<CopyBatch> batches;
  uint64_t end_bytes = 0;
  for (const RecordPlace& place : table.places()) {
    const uint64_t bytes = kRecordHeaderBytes + place.payload_bytes;
    if (batches.empty() || place.offset_bytes != end_bytes) batches.emplace_back();
    batches.back().entry_count += 1;
    batches.back().body_bytes += bytes;
    end_bytes = place.offset_bytes + bytes;
  }
  return batches;
}

// The batches in which a table's entries are copied: those they were written in, put together and
// never divided, so that the copy is no longer than the original: it may have to fit a file of just
// that length.
std::vector<CopyBatch> plan_copy(const SegmentTable& table) {
  std::vector<CopyBatch> plan;
  for (const CopyBatch& batch : batches_of(table)) {
    ALF_CHECK(batch.body_bytes <= kBatchBodyBytesMax);
    if (plan.empty() || plan.back().body_bytes + batch.body_bytes > kCopyBodyBytes) {
      plan.emplace_back();
    }
    plan.back().entry_count += batch.entry_count;
    plan.back().body_bytes += batch.body_bytes;
  }
  return plan;
}

uint64_t copied_file_bytes(const SegmentTable& table, std::span<const CopyBatch> plan) {
  uint64_t bytes = kSegmentHeaderBytes;
  for (const CopyBatch& batch : plan) {
    bytes += round_up_to_block(kBatchHeaderBytes + batch.body_bytes);
  }
  return bytes + footer_bytes(table.places().size(), table.runs().size());
}

}  // namespace

base::Result<ScannedTail> scan_tail(Segment& segment, uint64_t known_durable_bytes,
                                    const std::function<void(uint64_t, uint64_t)>& progress) {
  BatchScanner scanner(*segment.file, segment.path, segment.header);
  ScannedTail tail;
  bool is_copying = segment.header.replaces_id != 0;
  base::LogIndex copied_last;
  for (;;) {
    const uint64_t offset_bytes = scanner.offset_bytes();
    auto batch = scanner.next();
    if (!batch.is_ok()) {
      if (batch.error().code != ErrorCode::kCorruption) return std::move(batch).error();
      tail.end_words = batch.error().message;
      break;
    }
    is_copying = is_copying && batch->header.is_copied;
    for (const ScannedRecord& record : batch->records) {
      if (auto words = misplaced(segment, record, is_copying)) {
        return corruption_at(segment.path, record.place.offset_bytes, *words);
      }
      segment.table.push(record.header.index, record.header.term, record.place);
      if (record.header.is_copied) copied_last = record.header.index;
    }
    tail.position.record_count += batch->records.size();
    ALF_CHECK(scanner.offset_bytes() > offset_bytes);
    if (progress) progress(scanner.offset_bytes(), segment.header.file_bytes);
  }
  tail.position.end_bytes = scanner.offset_bytes();
  tail.position.batch_count = scanner.batch_count();
  segment.data_end_bytes = scanner.offset_bytes();
  if (ALF_MUTANT(RotTakenForTorn)) return tail;
  if (scanner.offset_bytes() < known_durable_bytes) {
    return base::Error{ErrorCode::kCorruption,
                       base::format("{} (all before offset_bytes={} was durable)", tail.end_words,
                                    known_durable_bytes)};
  }
  ALF_TRY(const std::optional<uint64_t> later, scanner.find_later_batch());
  if (later) {
    return base::Error{ErrorCode::kCorruption,
                       base::format("{} (but a later batch stands at offset_bytes={}, written when "
                                    "this was durable)",
                                    tail.end_words, *later)};
  }
  if (copied_last < segment.header.copied_last_index) {
    return base::Error{
        ErrorCode::kCorruption,
        base::format("{} (entries up to {} were copied here, {} is the last found)", tail.end_words,
                     segment.header.copied_last_index.value, copied_last.value)};
  }
  return tail;
}

Recovery::Recovery(env::Disk& disk, env::Random& random, AlignedBuffer& buffer, Options options,
                   const Meta& meta)
    : disk_(disk), random_(random), buffer_(buffer), options_(std::move(options)), meta_(meta) {}

base::Result<Recovered> Recovery::run() {
  ALF_TRY(const std::vector<std::string> names, disk_.list(options_.dir));
  result_.next_segment_id = meta_.next_segment_id;
  ALF_TRY_STATUS(load_segments(names));
  set_replaced_aside();
  ALF_TRY_STATUS(check_shape());
  ALF_TRY_STATUS(scan_open_segment());
  apply_truncations();
  ALF_TRY_STATUS(check_contiguity());
  set_empty_aside();
  ALF_TRY_STATUS(make_tail_durable(names));
  ALF_TRY_STATUS(find_last_stamp());
  return std::move(result_);
}

base::Status Recovery::load_segments(const std::vector<std::string>& names) {
  for (const std::string& name : names) {  // sorted, and so by id
    const auto id = parse_segment_name(name);
    if (!id) continue;
    const std::string path = path_in(options_.dir, name);
    ALF_TRY(OpenedSegment opened, open_segment(disk_, path, *id));
    if (!is_same_group(opened.segment->header.identity, meta_.identity)) {
      return corruption_at(path, 0, "the segment belongs to another log than META");
    }
    ALF_CHECK(opened_.empty() || opened_.back().segment->header.id < *id);
    opened_.push_back(std::move(opened));
    result_.next_segment_id = std::max(result_.next_segment_id, *id + 1);
  }
  return base::ok();
}

// A copy has its name only when it is whole; what it was copied from no longer counts.
void Recovery::set_replaced_aside() {
  std::set<uint64_t> replaced;
  for (const OpenedSegment& opened : opened_) replaced.insert(opened.segment->header.replaces_id);
  std::erase_if(opened_, [&](const OpenedSegment& opened) {
    if (!replaced.contains(opened.segment->header.id)) return false;
    replaced_paths_.push_back(opened.segment->path);
    return true;
  });
}

// Footers are durable before the next segment has a name: only the last may lack one.
base::Status Recovery::check_shape() const {
  ALF_CHECK(std::is_sorted(opened_.begin(), opened_.end(), [](const auto& a, const auto& b) {
    return a.segment->header.id < b.segment->header.id;
  }));
  for (size_t i = 0; i + 1 < opened_.size(); ++i) {
    const Segment& segment = *opened_[i].segment;
    if (segment.is_sealed) continue;
    return corruption_at(
        segment.path, segment.header.file_bytes - kFooterTrailerBytes,
        base::format("no footer, though later segments exist: {}", opened_[i].footer.why_not));
  }
  if (!meta_.is_clean) return base::ok();
  const bool has_open = !opened_.empty() && !opened_.back().segment->is_sealed;
  const uint64_t open_id = has_open ? opened_.back().segment->header.id : 0;
  if (open_id == meta_.clean_tail_id) return base::ok();
  return base::Error{ErrorCode::kCorruption,
                     base::format("read {}: after a clean stop segment {} should be the open one, "
                                  "found {} (0 is none)",
                                  path_in(options_.dir, kMetaName), meta_.clean_tail_id, open_id)};
}

base::Status Recovery::scan_open_segment() {
  if (opened_.empty() || opened_.back().segment->is_sealed) return base::ok();
  Segment& segment = *opened_.back().segment;
  const uint64_t known_durable_bytes = std::max(opened_.back().footer.known_durable_bytes,
                                                meta_.is_clean ? meta_.clean_tail_bytes : 0);
  ALF_TRY(const ScannedTail tail, scan_tail(segment, known_durable_bytes, options_.progress));
  result_.position = tail.position;
  if (meta_.is_clean && tail.position.end_bytes != meta_.clean_tail_bytes) {
    return corruption_at(segment.path, meta_.clean_tail_bytes,
                         "batches stand behind the end that META names after a clean stop");
  }
  return base::ok();
}

// What a segment holds ends where a later one begins (docs/formats/segment.md, "Truncation").
void Recovery::apply_truncations() {
  uint64_t first_later = UINT64_MAX;
  for (size_t i = opened_.size(); i-- > 0;) {
    SegmentTable& table = opened_[i].segment->table;
    if (table.is_empty()) continue;
    const uint64_t first = table.first_index().value;
    table.trim_after(base::LogIndex{first_later - 1});
    first_later = std::min(first_later, first);
  }
  for (const SegmentTrim& trim : meta_.trims) {
    for (const OpenedSegment& opened : opened_) {
      if (opened.segment->header.id == trim.segment_id && !ALF_MUTANT(TruncatedEntryFound)) {
        opened.segment->table.trim_after(trim.last_index);
      }
    }
  }
}

base::Status Recovery::check_contiguity() {
  base::LogIndex expected = meta_.log_start;
  for (const OpenedSegment& opened : opened_) {
    const SegmentTable& table = opened.segment->table;
    if (table.is_empty() || table.last_index() < meta_.log_start) continue;
    const bool follows = expected == meta_.log_start ? table.first_index() <= expected
                                                     : table.first_index() == expected;
    if (!follows) {
      return corruption_at(opened.segment->path, 0,
                           base::format("the segment begins at entry {}, but no segment holds {}",
                                        table.first_index().value, expected.value));
    }
    expected = table.last_index().next();
  }
  result_.last_index = base::LogIndex{expected.value - 1};
  return base::ok();
}

void Recovery::set_empty_aside() {
  for (OpenedSegment& opened : opened_) {
    if (opened.segment->table.is_empty()) {
      result_.obsolete_paths.push_back(opened.segment->path);
    } else {
      result_.segments.push_back(opened.segment);
    }
  }
}

base::Status Recovery::make_tail_durable(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (is_unfinished_name(name)) ALF_TRY_STATUS(disk_.unlink(path_in(options_.dir, name)));
  }
  // A name that a killed process left may be seen and still not be durable. And what a copy
  // replaced must be gone for good before the copy itself is replaced: only their neighbourhood
  // tells that the old one no longer counts.
  ALF_TRY_STATUS(disk_.sync_dir(options_.dir));
  for (const std::string& path : replaced_paths_) ALF_TRY_STATUS(disk_.unlink(path));
  if (!replaced_paths_.empty()) ALF_TRY_STATUS(disk_.sync_dir(options_.dir));
  if (!meta_.is_clean) ALF_TRY_STATUS(rewrite_last_footer());
  if (result_.segments.empty() || result_.segments.back()->is_sealed) return base::ok();
  const SegmentPtr tail = result_.segments.back();
  if (meta_.is_clean || ALF_MUTANT(TornTailAppendedTo)) {
    result_.open_segment = tail;
    return base::ok();
  }
  ALF_TRY_STATUS(copy_forward(*tail, names));
  result_.obsolete_paths.push_back(tail->path);
  return base::ok();
}

// The footer that was read may be in the page cache only. It is the last segment's, so that a
// torn write here costs nothing: the segment would be scanned instead.
base::Status Recovery::rewrite_last_footer() {
  if (opened_.empty() || !opened_.back().segment->is_sealed) return base::ok();
  const Segment& segment = *opened_.back().segment;
  ALF_CHECK(opened_.back().footer.footer.has_value());
  const base::Bytes bytes = encode_footer(*opened_.back().footer.footer, segment.header.uid);
  ALF_TRY(auto file, disk_.open(segment.path, {.is_writable = true, .is_direct = true}));
  return file->write_at_durable(segment.header.file_bytes - bytes.size(), buffer_.copy_of(bytes));
}

base::Status Recovery::copy_forward(const Segment& tail, const std::vector<std::string>& names) {
  const std::vector<CopyBatch> plan = plan_copy(tail.table);
  SegmentHeader header{
      .uid = random_.next_u64(),
      .id = result_.next_segment_id++,
      .identity = meta_.identity,
      .first_index = tail.table.first_index(),
      .file_bytes = std::max(options_.segment_bytes, copied_file_bytes(tail.table, plan)),
      .replaces_id = tail.header.id,
      .copied_last_index = tail.table.last_index()};
  std::string copy_path = path_in(options_.dir, segment_name(header.id, kCopySuffix));
  const std::string path = path_in(options_.dir, segment_name(header.id));
  SegmentTable table(header.first_index);
  {
    ALF_TRY(auto file, make_copy_file(header, names, copy_path));
    SegmentWriter writer(std::move(file), header, {}, buffer_);
    ALF_TRY_STATUS(copy_entries(tail, plan, writer, table));
    result_.position = writer.position();
  }
  // All of it is durable: from this name on it counts, and the old segment does not.
  ALF_TRY_STATUS(disk_.rename(copy_path, path));
  ALF_TRY_STATUS(disk_.sync_dir(options_.dir));
  ALF_TRY(auto reader, disk_.open(path, {}));
  auto copy = std::make_shared<Segment>(header, path, std::move(reader));
  copy->table = std::move(table);
  copy->data_end_bytes = result_.position.end_bytes;
  ALF_CHECK(copy->table.last_index() == tail.table.last_index());
  ALF_CHECK(copy->table.places().size() == tail.table.places().size());
  ALF_CHECK(result_.segments.back()->header.id == header.replaces_id);
  result_.segments.back() = copy;
  result_.open_segment = copy;
  return base::ok();
}

// On a disk without room for a new file, what was kept for that moment takes the copy; under its
// old name it is still nothing but a spare file, should the node die over it. A tail that is longer
// than these (of one large batch) gets their room instead.
base::Result<std::unique_ptr<env::File>> Recovery::make_copy_file(
    const SegmentHeader& header, const std::vector<std::string>& names, std::string& path) {
  const std::string fresh = path;
  auto made = make_fresh_file(header, fresh);
  if (made.is_ok() || made.error().code != ErrorCode::kNoSpace) return made;
  std::vector<std::string> kept;
  for (const std::string& name : names) {
    if (!parse_spare_name(name) && !parse_spare_name(name, kReservePrefix)) continue;
    const std::string spare = path_in(options_.dir, name);
    ALF_TRY(const uint64_t links, disk_.link_count(spare));
    ALF_TRY(auto file, disk_.open(spare, {}));
    ALF_TRY(const uint64_t size_bytes, file->size_bytes());
    if (links != 1) continue;
    kept.push_back(spare);
    if (size_bytes != header.file_bytes) continue;
    path = spare;
    return SegmentWriter::make_file(disk_, path, header, true, buffer_);
  }
  for (const std::string& spare : kept) {
    ALF_TRY_STATUS(disk_.unlink(spare));
    made = make_fresh_file(header, fresh);
    if (made.is_ok() || made.error().code != ErrorCode::kNoSpace) return made;
  }
  return made;
}

// Leaves nothing where there is no room for it.
base::Result<std::unique_ptr<env::File>> Recovery::make_fresh_file(const SegmentHeader& header,
                                                                   const std::string& path) {
  auto made = SegmentWriter::make_file(disk_, path, header, false, buffer_);
  if (made.is_ok() || made.error().code != ErrorCode::kNoSpace) return made;
  const base::Status removed = disk_.unlink(path);
  if (!removed && removed.error().code != ErrorCode::kNotFound) return removed.error();
  return made;
}

base::Status Recovery::copy_entries(const Segment& tail, std::span<const CopyBatch> plan,
                                    SegmentWriter& writer, SegmentTable& table) {
  base::LogIndex next = tail.table.first_index();
  for (const CopyBatch& batch : plan) {
    std::vector<raft::Entry> entries;
    for (uint64_t i = 0; i < batch.entry_count; ++i) {
      ALF_TRY(raft::Entry entry,
              read_record(tail, tail.table.place_at(next), next, env::ReadMode::kMayBlock));
      entries.push_back(std::move(entry));
      next = next.next();
    }
    ALF_TRY(const std::vector<RecordPlace> places, writer.write_batch(entries, true));
    for (size_t i = 0; i < entries.size(); ++i) {
      table.push(entries[i].index, entries[i].term, places[i]);
    }
    if (options_.progress) options_.progress(writer.position().end_bytes, tail.data_end_bytes);
  }
  return base::ok();
}

base::Status Recovery::find_last_stamp() {
  const Segment* last = nullptr;
  for (const SegmentPtr& segment : result_.segments) {
    if (last == nullptr || segment->table.last_index() > last->table.last_index()) {
      last = segment.get();
    }
  }
  if (last == nullptr) return base::ok();
  const base::LogIndex index = last->table.last_index();
  ALF_TRY(const raft::Entry entry,
          read_record(*last, last->table.place_at(index), index, env::ReadMode::kMayBlock));
  result_.last_stamp = entry.stamp;
  return base::ok();
}

}  // namespace alfheim::vlog
