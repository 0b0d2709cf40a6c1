#include "replica/disk_guard.h"

#include <utility>

#include "base/format.h"

namespace alfheim::replica {
namespace {

// By which part of the reserve more must be free before a full disk has room again.
constexpr uint64_t kMarginPart = 8;

}  // namespace

DiskGuard::DiskGuard(env::Disk& disk, const vlog::Log& log, Options options, Announce announce)
    : disk_(disk), log_(log), options_(std::move(options)), announce_(std::move(announce)) {
  status_.reserve_bytes = options_.reserve_bytes;
}

DiskStatus DiskGuard::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void DiskGuard::look() {
  const base::Result<uint64_t> free_bytes = disk_.free_bytes(options_.path);
  change([&] {
    // A disk that cannot tell is not taken for a full one: who finds no room will say so.
    is_known_ = free_bytes.is_ok();
    status_.free_bytes = is_known_ ? *free_bytes : 0;
  });
}

void DiskGuard::note_no_room(Need need, const base::Error& found) {
  change([&] {
    reason_ = found.message;
    (need == Need::kLog ? status_.lacks_log : status_.lacks_index) = true;
  });
}

void DiskGuard::note_room(Need need) {
  change([&] { (need == Need::kLog ? status_.lacks_log : status_.lacks_index) = false; });
}

// The line is written outside of the mutex: whoever asks for the status does not wait for it.
template <typename Make>
void DiskGuard::change(Make make) {
  std::string line;
  {
    const std::lock_guard lock(mutex_);
    make();
    line = settle();
  }
  if (!line.empty() && announce_) announce_(line);
}

bool DiskGuard::needs_more_room() const {
  if (status_.lacks_log || status_.lacks_index) return true;
  if (!is_known_) return false;
  const uint64_t wanted_bytes = status_.is_full ? wanted_free_bytes() : options_.reserve_bytes;
  // The reserve that the log is to make anew is spoken for.
  return status_.free_bytes < wanted_bytes + log_.reserve_missing_bytes();
}

uint64_t DiskGuard::wanted_free_bytes() const {
  return options_.reserve_bytes + options_.reserve_bytes / kMarginPart;
}

std::string DiskGuard::settle() {
  lacks_log_.store(status_.lacks_log, std::memory_order_release);
  lacks_index_.store(status_.lacks_index, std::memory_order_release);
  const bool is_full = needs_more_room();
  if (is_full == status_.is_full) return {};
  status_.is_full = is_full;
  is_full_.store(is_full, std::memory_order_release);
  const std::string why = std::exchange(reason_, {});
  const uint64_t free_mib = status_.free_bytes >> 20;
  const uint64_t reserve_mib = options_.reserve_bytes >> 20;
  if (!is_full) {
    return base::format("the disk has room again: writes are taken: {} MiB free on {}", free_mib,
                        options_.path);
  }
  return base::format(
      "the disk is full: writes that need room are refused, reads and deletes go on: {} MiB free "
      "on {}, --disk-reserve is {} MiB{}{}",
      free_mib, options_.path, reserve_mib, why.empty() ? "" : ": ", why);
}

}  // namespace alfheim::replica
