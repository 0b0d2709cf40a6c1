#include "vlog/inspect.h"

#include <optional>
#include <set>

#include "base/format.h"
#include "vlog/batch_scanner.h"
#include "vlog/meta.h"
#include "vlog/recovery.h"
#include "vlog/segment_names.h"
#include "vlog/segment_reader.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;

using Report = std::function<void(const Problem&)>;

class Verifier {
 public:
  Verifier(env::Disk& disk, const std::string& dir, const Report& report)
      : disk_(disk), dir_(dir), report_(report) {}

  base::Result<Inspection> run() {
    ALF_TRY(const std::vector<std::string> names, disk_.list(dir_));
    verify_meta();
    uint64_t last_id = 0;
    for (const std::string& name : names) {
      const auto id = parse_segment_name(name);
      if (!id) continue;
      last_id = *id;
      find_replaced(path_in(dir_, name));
    }
    for (const std::string& name : names) {
      if (const auto id = parse_segment_name(name)) verify_segment(name, *id, *id == last_id);
      if (is_unfinished_name(name)) note(path_in(dir_, name), 0, "left half made by a crash");
    }
    return result_;
  }

 private:
  void error(const std::string& path, uint64_t offset_bytes, const std::string& words) {
    result_.error_count += 1;
    report_({true, path, offset_bytes, words});
  }
  void note(const std::string& path, uint64_t offset_bytes, const std::string& words) {
    result_.note_count += 1;
    report_({false, path, offset_bytes, words});
  }

  void verify_meta() {
    const std::string path = path_in(dir_, kMetaName);
    auto copies = MetaFile::read_copies(disk_, dir_);
    if (!copies.is_ok()) return error(path, 0, copies.error().message);
    for (const auto& copy : *copies) {
      const bool is_newest = copy.is_ok() && (!meta_ || copy->generation > meta_->generation);
      if (is_newest) meta_ = *copy;
    }
    for (size_t i = 0; i < copies->size(); ++i) {
      if ((*copies)[i].is_ok()) continue;
      const std::string& words = (*copies)[i].error().message;
      if (may_be_torn(*copies, i)) {
        note(path, i * kMetaBlockBytes, words);
      } else {
        error(path, i * kMetaBlockBytes, words);
      }
    }
  }

  // A crash in a write tears one copy of a generation, or both, and never touches the other
  // generation. A stop that was clean tears none.
  bool may_be_torn(const std::vector<base::Result<Meta>>& copies, size_t bad) const {
    const size_t other = bad < kMetaCopiesPerGeneration ? kMetaCopiesPerGeneration : 0;
    const bool is_other_whole = copies[other].is_ok() && copies[other + 1].is_ok();
    const bool is_twin_whole = copies[bad ^ 1].is_ok();
    return is_other_whole && (!is_twin_whole || !meta_->is_clean);
  }

  // A header that cannot be read is reported when its segment's turn comes.
  void find_replaced(const std::string& path) {
    const auto file = disk_.open(path, {});
    if (!file.is_ok()) return;
    const auto header = read_segment_header(**file, path);
    if (header.is_ok() && header->replaces_id != 0) replaced_.insert(header->replaces_id);
  }

  void verify_segment(const std::string& name, uint64_t id, bool is_last) {
    const std::string path = path_in(dir_, name);
    if (replaced_.contains(id)) {
      return note(path, 0, "copied into a later segment; the next start takes it away");
    }
    result_.segment_count += 1;
    auto opened = open_segment(disk_, path, id);
    if (!opened.is_ok()) return error(path, 0, opened.error().message);
    Segment& segment = *opened->segment;
    if (meta_ && !is_same_group(segment.header.identity, meta_->identity)) {
      error(path, 0, "the segment belongs to another log than META");
    }
    const SegmentTable listed = std::move(segment.table);
    segment.table = SegmentTable(segment.header.first_index);
    const bool is_clean = meta_ && meta_->is_clean && meta_->clean_tail_id == id;
    const uint64_t known =
        std::max(opened->footer.known_durable_bytes, is_clean ? meta_->clean_tail_bytes : 0);
    auto tail = scan_tail(segment, known, [](uint64_t, uint64_t) {});
    if (!tail.is_ok()) return error(path, segment.data_end_bytes, tail.error().message);
    result_.batch_count += tail->position.batch_count;
    result_.record_count += tail->position.record_count;
    for (const RecordPlace& place : segment.table.places()) {
      result_.payload_bytes += place.payload_bytes;
    }
    if (!segment.is_sealed) return verify_open_end(segment, is_last, opened->footer.why_not);
    compare_footer(segment, listed, *opened->footer.footer, tail->position);
  }

  // Whether a segment may be without a footer; if not, it is the footer that is rotten.
  void verify_open_end(const Segment& segment, bool is_last, const std::string& why_not) {
    const uint64_t footer_offset = segment.header.file_bytes - kFooterTrailerBytes;
    if (!is_last) {
      error(segment.path, footer_offset, "no footer, though later segments exist: " + why_not);
    } else if (meta_ && meta_->is_clean && meta_->clean_tail_id != segment.header.id) {
      error(segment.path, footer_offset,
            "no footer, though META says that it was sealed: " + why_not);
    }
  }

  void compare_footer(const Segment& segment, const SegmentTable& listed, const Footer& footer,
                      const SegmentWriter::Position& found) {
    const bool is_equal =
        std::equal(listed.places().begin(), listed.places().end(), segment.table.places().begin(),
                   segment.table.places().end()) &&
        std::equal(listed.runs().begin(), listed.runs().end(), segment.table.runs().begin(),
                   segment.table.runs().end()) &&
        footer.data_end_bytes == found.end_bytes && footer.batch_count == found.batch_count &&
        footer.record_count == found.record_count;
    if (is_equal) return;
    error(segment.path, segment.header.file_bytes - kFooterTrailerBytes,
          base::format("the footer lists {} entries in {} batches, the data hold {} in {}",
                       listed.places().size(), footer.batch_count, segment.table.places().size(),
                       found.batch_count));
  }

  env::Disk& disk_;
  const std::string& dir_;
  const Report& report_;
  std::optional<Meta> meta_;
  std::set<uint64_t> replaced_;  // segments whose whole copy is there: a crash came before the end
  Inspection result_;
};

// Visits one segment; false when the visitor wants no more.
base::Result<bool> visit_segment(env::Disk& disk, const std::string& path, uint64_t id,
                                 const std::function<bool(const InspectedRecord&)>& visit,
                                 const Report& report) {
  ALF_TRY(OpenedSegment opened, open_segment(disk, path, id));
  const Segment& segment = *opened.segment;
  BatchScanner scanner(*segment.file, path, segment.header);
  for (;;) {
    if (segment.is_sealed && scanner.offset_bytes() == segment.data_end_bytes) return true;
    auto batch = scanner.next();
    if (!batch.is_ok()) {
      if (batch.error().code != ErrorCode::kCorruption) return std::move(batch).error();
      // Where the data of an open segment end is for verify_directory to judge.
      report({segment.is_sealed, path, scanner.offset_bytes(), batch.error().message});
      return true;
    }
    for (const ScannedRecord& record : batch->records) {
      InspectedRecord inspected{.segment_id = id,
                                .offset_bytes = record.place.offset_bytes,
                                .is_copied = record.header.is_copied,
                                .entry = {.index = record.header.index,
                                          .term = record.header.term,
                                          .kind = record.header.kind,
                                          .stamp = record.header.stamp,
                                          .seed = record.header.seed,
                                          .payload = nullptr}};
      if (!record.payload.empty()) {
        inspected.entry.payload = std::make_shared<const base::Bytes>(record.payload);
      }
      if (!visit(inspected)) return false;
    }
  }
}

}  // namespace

base::Result<Inspection> verify_directory(env::Disk& disk, const std::string& dir,
                                          const Report& report) {
  return Verifier(disk, dir, report).run();
}

base::Status for_each_record(env::Disk& disk, const std::string& dir,
                             const std::function<bool(const InspectedRecord&)>& visit,
                             const Report& report) {
  ALF_TRY(const std::vector<std::string> names, disk.list(dir));
  for (const std::string& name : names) {
    const auto id = parse_segment_name(name);
    if (!id) continue;
    const std::string path = path_in(dir, name);
    auto goes_on = visit_segment(disk, path, *id, visit, report);
    if (!goes_on.is_ok()) {
      if (goes_on.error().code != ErrorCode::kCorruption) return std::move(goes_on).error();
      report({true, path, 0, goes_on.error().message});
    } else if (!*goes_on) {
      return base::ok();
    }
  }
  return base::ok();
}

}  // namespace alfheim::vlog
