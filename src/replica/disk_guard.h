// replica/disk_guard: knows whether the disk has room, and says when growth is refused.
//
// The disk counts as full while less than `reserve_bytes` are free (what is missing of the
// log's reserve is not free), or while somebody found no room and has not got through since: the
// log for its next segment, the index for its files. It is no longer full when an eighth more
// than the reserve is free and nobody waits, so that the state does not flap at its border.
//
// What was proposed before the state changed is written all the same: the log's reserve takes it.
//
// Thread: look() on the log strand; all else from any thread. Lifetime: disk and log outlive it.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "env/disk.h"
#include "vlog/log.h"

namespace alfheim::replica {

// What a client is told whose command would take room; it was not proposed, and never will be.
inline constexpr std::string_view kRefusedByFullDisk =
    "OOM command not allowed when the disk is full.";

struct DiskStatus {
  bool is_full = false;      // commands that grow the data are refused
  bool lacks_log = false;    // the log has no room at all: every write is refused
  bool lacks_index = false;  // the index could not be stored, and waits
  uint64_t free_bytes = 0;   // when last asked
  uint64_t reserve_bytes = 0;
};

class DiskGuard {
 public:
  struct Options {
    std::string path;            // on the disk that is asked about
    uint64_t reserve_bytes = 0;  // 0: only who finds no room makes the disk count as full
  };
  enum class Need : uint8_t { kLog, kIndex };
  // One line for the operator, when the state changes.
  using Announce = std::function<void(const std::string&)>;

  DiskGuard(env::Disk& disk, const vlog::Log& log, Options options, Announce announce);

  bool is_full() const { return is_full_.load(std::memory_order_acquire); }
  bool lacks_index() const { return lacks_index_.load(std::memory_order_acquire); }
  // What must be free for the disk not to count as full once it did.
  uint64_t wanted_free_bytes() const;
  bool lacks_log() const { return lacks_log_.load(std::memory_order_acquire); }
  DiskStatus status() const;

  // Asks the disk. Cheap, but it may wait for the disk.
  void look();
  void note_no_room(Need need, const base::Error& found);
  void note_room(Need need);

 private:
  bool needs_more_room() const;  // under mutex_
  // Under mutex_: makes the state fit the status; the line for the operator where it changed.
  std::string settle();
  template <typename Make>
  void change(Make make);

  env::Disk& disk_;
  const vlog::Log& log_;
  const Options options_;
  const Announce announce_;
  mutable std::mutex mutex_;  // guards status_ and reason_
  DiskStatus status_;
  std::string reason_;     // what was found, of the last note_no_room
  bool is_known_ = false;  // free_bytes is
  std::atomic<bool> is_full_{false};
  std::atomic<bool> lacks_log_{false};
  std::atomic<bool> lacks_index_{false};
};

}  // namespace alfheim::replica
