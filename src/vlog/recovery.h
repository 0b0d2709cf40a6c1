// vlog/recovery: from the files of a directory to a log that may be appended to.
//
// Decides which segments count, what each holds after all truncations, whether the tail is
// whole, torn or corrupt (I8), and copies it forward after an unclean stop (I7). Changes
// nothing before it knows that nothing is corrupt. Which crash leaves what:
// docs/formats/segment.md.
//
// Thread: one, before the Log exists.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/random.h"
#include "vlog/aligned_buffer.h"
#include "vlog/meta_v1.h"
#include "vlog/segment.h"
#include "vlog/segment_reader.h"
#include "vlog/segment_writer.h"

namespace alfheim::vlog {

struct Recovered {
  std::vector<SegmentPtr> segments;         // by id; each holds at least one entry
  SegmentPtr open_segment;                  // one of them, or null
  SegmentWriter::Position position;         // of the open one
  std::vector<std::string> obsolete_paths;  // to be removed once META is written
  uint64_t next_segment_id = 1;
  base::LogIndex last_index;
  base::Stamp last_stamp;
};

// What a scan of an unsealed segment found; its table is filled.
struct ScannedTail {
  SegmentWriter::Position position;
  std::string end_words;  // what stands at the end of the data
};

// Fills the table of an unsealed segment. kCorruption by I8; `known_durable_bytes` is the end of
// what is known to have been written whole.
base::Result<ScannedTail> scan_tail(Segment& segment, uint64_t known_durable_bytes,
                                    const std::function<void(uint64_t, uint64_t)>& progress);

struct CopyBatch;  // recovery.cc's own

class Recovery {
 public:
  struct Options {
    std::string dir;
    uint64_t segment_bytes = 0;
    std::function<void(uint64_t, uint64_t)> progress;
  };
  Recovery(env::Disk& disk, env::Random& random, AlignedBuffer& buffer, Options options,
           const Meta& meta);
  base::Result<Recovered> run();

 private:
  base::Status load_segments(const std::vector<std::string>& names);
  void set_replaced_aside();
  base::Status check_shape() const;
  base::Status scan_open_segment();
  void apply_truncations();
  base::Status check_contiguity();
  void set_empty_aside();
  base::Status make_tail_durable(const std::vector<std::string>& names);
  base::Status rewrite_last_footer();
  base::Status copy_forward(const Segment& tail, const std::vector<std::string>& names);
  base::Result<std::unique_ptr<env::File>> make_copy_file(const SegmentHeader& header,
                                                          const std::vector<std::string>& names,
                                                          std::string& path);
  base::Result<std::unique_ptr<env::File>> make_fresh_file(const SegmentHeader& header,
                                                           const std::string& path);
  base::Status copy_entries(const Segment& tail, std::span<const CopyBatch> plan,
                            SegmentWriter& writer, SegmentTable& table);
  base::Status find_last_stamp();

  env::Disk& disk_;
  env::Random& random_;
  AlignedBuffer& buffer_;
  const Options options_;
  const Meta meta_;
  std::vector<OpenedSegment> opened_;  // by id; without those that a copy replaced
  std::vector<std::string> replaced_paths_;
  Recovered result_;
};

}  // namespace alfheim::vlog
