// vlog/log: one group's Raft log, which is also the store of its large values.
//
// Owns a directory: META (term, vote, start of the log, identity), numbered segment files of
// records, a pool of spare files. Entries are appended in batches of one write and one sync;
// values are read at their address (vlog/address.h) for as long as a segment holds them.
// Knows nothing of commit, of keys, or of what an entry's payload means.
//
// What is promised (names as in docs/formats/segment.md):
// - append returned ok: the entries are on stable storage. It failed: unless the code is
//   kNoSpace the Log is finished (every later change fails) and the node must stop; after a
//   restart each entry of the failed batch is there whole, or not at all.
// - kNoSpace: there is no room for the next segment, and the reserve is used up. What is durable,
//   up to last_index(), stays; the caller may append the same entries again when there is room.
// - open after an unclean stop copies the tail into a new segment before it returns (I7); a
//   bad record that is not a torn tail is kCorruption, and nothing is changed (I8).
// - save_hard_state and set_log_start are durable when they return (I3, I10).
//
// Thread: append, save_hard_state, set_log_start and close belong to the log strand, one at a
// time. drop_segment and replenish_* may run on one other thread. All const functions and
// pin() may be called from any thread. Lifetime: disk and random outlive the Log; pins may not
// outlive it. Memory: the tail (bounded), and 8 bytes per entry still held (segment_table.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "env/disk.h"
#include "env/random.h"
#include "raft/entry.h"
#include "vlog/address.h"
#include "vlog/meta_v1.h"

namespace alfheim::vlog {

class EntryCursor;
class SegmentSet;  // a set of segments, never changed after it was made (segment_set.h)
struct LogState;   // what readers and the log strand share (log_state.h)

using Pin = std::shared_ptr<const SegmentSet>;

struct SegmentInfo {
  uint64_t id = 0;  // ascending in the order of making
  base::LogIndex first_index;
  base::LogIndex last_index;
  uint64_t entry_count = 0;
  uint64_t file_bytes = 0;  // on disk
  uint64_t data_bytes = 0;  // of it, written by batches
};

// A log as its files hold it, all of them sealed: what another member of the group can be given.
struct SealedLog {
  struct File {
    uint64_t id = 0;
    std::string path;
    uint64_t bytes = 0;
  };
  std::vector<Pin> pins;           // while they live the files stay as they are
  std::vector<File> files;         // by first index; none that begins behind last_index
  std::vector<SegmentTrim> trims;  // what the files' footers list, and does not belong to this log
  base::LogIndex first_index;
  base::Term previous_term;  // of the entry before it
  base::LogIndex last_index;
  base::Term last_term;
};

struct LogStats {
  uint64_t batch_count = 0;
  uint64_t entry_count = 0;
  uint64_t sync_count = 0;     // durable writes of batches, headers, footers and META
  uint64_t written_bytes = 0;  // all of them, padding included
  uint64_t payload_bytes = 0;
  uint64_t roll_count = 0;
  uint64_t segment_count = 0;  // also the open one and those dropped but still pinned
  uint64_t spare_count = 0;
  uint64_t reserved_count = 0;
  uint64_t tail_bytes = 0;
};

class Log {
 public:
  struct Options {
    std::string dir;
    Identity identity;  // written at creation; at open each field that is not 0 must match
    uint64_t segment_bytes = 64 * 1024 * 1024;
    uint64_t memory_tail_bytes = 64 * 1024 * 1024;
    // How many pre-written spare files replenish_spares and drop_segment keep; 0 keeps none.
    uint32_t prewritten_segment_count = 2;
    // How many files of room replenish_reserve and drop_segment keep for a full disk: append (and
    // the copy of open) takes one when there is no room for a new file.
    uint32_t reserved_segment_count = 0;
    // Called while open scans and copies a tail.
    std::function<void(uint64_t bytes_done, uint64_t bytes_total)> progress;
  };

  // Makes the files on first use, else recovers. kCorruption names file and offset;
  // kAlreadyExists: another process has the directory open.
  static base::Result<std::unique_ptr<Log>> open(env::Disk& disk, env::Random& random,
                                                 Options options);
  ~Log();  // without close() the next open finds an unclean stop
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // --- the log strand ---

  // `entries` follow each other, none lies below first_index() or beyond last_index() + 1, and
  // terms never fall. An entry at an index <= last_index() first removes all from there on, in
  // the same write.
  base::Status append(std::span<const raft::Entry> entries);
  base::Status save_hard_state(const HardState& state);
  // Entries below `first` are no longer log: they stay readable until their segment is dropped.
  // Beyond last_index() + 1 the log becomes empty (a snapshot replaced it). Never goes back.
  base::Status set_log_start(base::LogIndex first, base::Term previous_term);
  // Seals the open segment, so that all that is held stands in sealed ones. What `earlier` holds is
  // among the files, though it was dropped meanwhile: a view taken under that pin finds its values
  // in them. Entries of the log are there from first_index() to `last` (at most last_index()),
  // without a gap; what the files hold behind it is told as truncated.
  base::Result<SealedLog> seal(Pin earlier, base::LogIndex last);
  // Leaves the clean marker; every later change fails with kUnavailable.
  base::Status close();

  // --- upkeep: any one thread at a time ---

  // Removes a sealed segment that lies wholly below first_index(). The owner has judged that no
  // live value stands in it (I4). The file goes (into the spares, or unlinked) once no pin holds
  // it: at once, or in a later drop_segment / reap.
  base::Status drop_segment(uint64_t id);
  // Takes away the files of segments whose last pin is gone. Cheap when there are none.
  base::Status reap();
  // Writes spare files until the pool is full. Long: tens of milliseconds per file. kNoSpace where
  // less than `kept_free_bytes` would stay free.
  base::Status replenish_spares(uint64_t kept_free_bytes = 0);
  bool wants_spares() const;
  // Allocates what is missing of the reserve. kNoSpace: there is no room for it.
  base::Status replenish_reserve();

  // --- any thread ---

  HardState hard_state() const;
  Identity identity() const;
  base::LogIndex first_index() const;
  base::LogIndex last_index() const;  // first_index() - 1 where the log is empty
  // For first_index() - 1 .. last_index(); nothing outside.
  std::optional<base::Term> term_at(base::LogIndex index) const;
  // Stamp of the newest entry held; 0 where there is none.
  base::Stamp last_stamp() const;

  // Any entry held, also below first_index(). Checks the record's checksums. kNotFound where no
  // segment holds it; kWouldBlock where `mode` forbids waiting.
  base::Result<raft::Entry> read_entry(base::LogIndex index,
                                       env::ReadMode mode = env::ReadMode::kMayBlock) const;
  // Entries from `from` to the end (as of each step), read in large pieces.
  EntryCursor cursor(base::LogIndex from) const;
  // cursor() as a loop; stops at the first Error of `visit` and returns it.
  base::Status replay(base::LogIndex from,
                      const std::function<base::Status(raft::Entry)>& visit) const;

  // A cheap holder that a reader takes before it looks an address up: while it lives, the files
  // of its segments stay as they are.
  Pin pin() const;
  // A pin for a state of the index that `take` takes: it holds every segment that an address in
  // that state can name, also where the log rolled meanwhile (`take` is then called again).
  Pin pin_around(const std::function<void()>& take) const;
  // Appends bytes [from_bytes, from_bytes + length_bytes) of the value to `out`, cut at the
  // value's end; on error `out` is as before. What comes from a file is served only after the
  // whole value was read and its checksum tested; so in kMemoryOnly a part of one above
  // kPartInMemoryBytesMax is kWouldBlock. An address that no segment holds is kCorruption: the
  // caller got it from the index, which may only name what is here.
  base::Status read_value(const SegmentSet& pinned, const ValueAddress& address,
                          uint64_t from_bytes, uint64_t length_bytes, base::Bytes& out,
                          env::ReadMode mode) const;
  // The same without a pin: for callers that know that nothing is dropped meanwhile.
  base::Status read_value(const ValueAddress& address, uint64_t from_bytes, uint64_t length_bytes,
                          base::Bytes& out, env::ReadMode mode) const;

  // Oldest first, by first_index. Not the open one, and none that was dropped.
  std::vector<SegmentInfo> sealed_segments() const;
  LogStats stats() const;
  // Of the reserve; not 0 tells that the disk was found full, or that it was not yet made.
  uint64_t reserve_missing_bytes() const;
  // Gives the room of one file to whoever else found none: of a spare, else of the reserve where
  // it holds more than `reserve_kept`. Says whether there was one.
  base::Result<bool> give_room(uint32_t reserve_kept);
  uint64_t roll_count() const;
  // The owner's self-test after each step in the simulator.
  void check_invariants() const;

 private:
  friend class EntryCursor;
  explicit Log(std::unique_ptr<LogState> state);

  std::unique_ptr<LogState> state_;
};

// Reads entries one after another; see Log::cursor. Thread: one. Lifetime: within the Log's.
class EntryCursor {
 public:
  EntryCursor(const Log& log, base::LogIndex from) : log_(log), next_(from) {}
  // Nothing after last_index(). An index below all that is held is kNotFound.
  base::Result<std::optional<raft::Entry>> next();

 private:
  const Log& log_;
  base::LogIndex next_;
  uint64_t window_segment_id_ = 0;
  uint64_t window_offset_bytes_ = 0;
  base::Bytes window_;
};

// Of a longer value no part is read from the page cache on a thread that must not wait.
inline constexpr uint64_t kPartInMemoryBytesMax = 128 * 1024;

}  // namespace alfheim::vlog
