// vlog/log_state: what a Log is made of. Only vlog/log*.cc include it.
//
// Three parts: `strand` belongs to the log strand alone; `shared` is what readers look things up
// in, behind one reader-writer lock that is never held over I/O; the rest takes care of itself.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "vlog/aligned_buffer.h"
#include "vlog/log.h"
#include "vlog/meta.h"
#include "vlog/segment.h"
#include "vlog/segment_names.h"
#include "vlog/segment_writer.h"
#include "vlog/spare_pool.h"

namespace alfheim::vlog {

struct LogState {
  LogState(env::Disk& the_disk, env::Random& the_random, Log::Options the_options)
      : disk(the_disk),
        random(the_random),
        options(std::move(the_options)),
        spares(disk, {.dir = options.dir,
                      .file_bytes = options.segment_bytes,
                      .wanted_count = options.prewritten_segment_count,
                      .prefix = kSparePrefix}),
        reserve(disk, {.dir = options.dir,
                       .file_bytes = options.segment_bytes,
                       .wanted_count = options.reserved_segment_count,
                       .prefix = kReservePrefix,
                       .is_prewritten = false}) {}

  struct Strand {
    AlignedBuffer buffer;
    std::unique_ptr<SegmentWriter> writer;  // null: the next append makes a segment
    SegmentPtr open_segment;                // the writer's
    uint64_t next_segment_id = 1;
  };

  struct Shared {
    Pin set;
    base::LogIndex first_index{1};
    base::Term previous_term;
    base::LogIndex last_index;
    base::Stamp last_stamp;
    std::deque<raft::Entry> tail;  // the newest entries, without a gap
    uint64_t tail_bytes = 0;
  };

  struct Counters {
    std::atomic<uint64_t> batches{0}, entries{0}, syncs{0}, written_bytes{0}, payload_bytes{0},
        rolls{0}, fetches{0};
    void wrote(uint64_t bytes) {
      syncs.fetch_add(1, std::memory_order_relaxed);
      written_bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
  };

  // Dropped segments whose file is still there, because a pin may hold them.
  struct Retired {
    mutable std::mutex mutex;  // guards segments; never held over I/O
    std::vector<SegmentPtr> segments;
    void add(SegmentPtr segment) {
      const std::lock_guard lock(mutex);
      segments.push_back(std::move(segment));
    }
  };

  // Marks that one of the calls that exclude each other is running.
  class Turn {
   public:
    explicit Turn(std::atomic<bool>& is_taken) : is_taken_(is_taken) {
      ALF_CHECK_MSG(!is_taken_.exchange(true), "two calls at once that must follow each other");
    }
    ~Turn() { is_taken_.store(false); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::atomic<bool>& is_taken_;
  };

  // A failed write or sync: nothing may be changed any more. Returns the error.
  base::Error finish(base::Error error);
  base::Status check_usable() const;

  base::Status append_chunk(std::span<const raft::Entry> entries);
  base::Status roll(base::LogIndex first_index, uint64_t body_bytes, uint64_t entry_count);
  base::Status seal_open_segment();
  base::Result<std::unique_ptr<env::File>> make_segment_file(const SegmentHeader& header,
                                                             std::string& path);
  base::Result<std::unique_ptr<env::File>> make_reserved_file(const SegmentHeader& header,
                                                              std::string& path,
                                                              base::Error why_not);
  void publish(std::span<const raft::Entry> entries, std::span<const RecordPlace> places);
  // With the lock held: what was at `first` and after goes; returns the set without empty ones.
  std::vector<SegmentPtr> truncate_from(base::LogIndex first);
  void push_tail(const raft::Entry& entry, std::vector<raft::Payload>& evicted);

  // Where an entry stands: in the memory tail, or in a segment.
  struct Found {
    std::optional<raft::Entry> entry;
    SegmentPtr segment;
    RecordPlace place;
    uint64_t data_end_bytes = 0;
    bool is_found() const { return entry.has_value() || segment != nullptr; }
  };
  Found find(const SegmentSet* pinned, base::LogIndex index) const;
  // How a value is read from a file: not everything that is fetched shall stay in memory.
  env::ReadMode mode_of_fetch(env::ReadMode mode);
  // With the lock held: whether one of `segments` (but that one) shows where `trimmed` ends.
  static bool is_trim_told(const Segment& trimmed, const std::vector<SegmentPtr>& segments,
                           uint64_t without_id);
  std::vector<SegmentTrim> trims_without(uint64_t dropped_id) const;
  base::Status save_trims(uint64_t dropped_id);

  env::Disk& disk;
  env::Random& random;
  const Log::Options options;
  std::unique_ptr<env::FileLock> directory_lock;
  std::unique_ptr<MetaFile> meta;
  SparePool spares;
  SparePool reserve;
  Strand strand;
  mutable std::shared_mutex mutex;  // guards shared, and the tables of all segments
  Shared shared;
  Retired retired;
  Counters counters;
  std::atomic<bool> strand_turn{false};
  std::atomic<bool> upkeep_turn{false};
  mutable std::mutex finished_mutex;  // guards finished
  std::optional<base::Error> finished;
};

}  // namespace alfheim::vlog
