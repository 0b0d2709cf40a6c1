// index/error_listener: knows why RocksDB stopped its background work, and forbids it to go on by
// itself: RocksStore resumes it.
//
// After an error of the manifest it must not be asked anything more: RocksDB 7.8 then may believe
// itself well and make a file of number 0 (an assertion, in Debian's build). Nor after what it
// takes for a hard error itself: rot, or a failed read. The first error is kept, for those that
// follow only say that there was one.
//
// Thread: any; RocksDB's own threads tell. Lifetime: shared with RocksDB.
#pragma once

#include <rocksdb/listener.h>

#include <atomic>
#include <mutex>
#include <optional>

namespace alfheim::index {

class ErrorListener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    const bool is_hard = status->severity() >= rocksdb::Status::Severity::kHardError;
    // Which state is stored after an error of the manifest, only a restart tells: that is more
    // than the error.
    const bool is_manifest = reason == rocksdb::BackgroundErrorReason::kManifestWrite ||
                             reason == rocksdb::BackgroundErrorReason::kManifestWriteNoWAL;
    if (is_hard && !is_manifest && !is_finished_) {
      const std::lock_guard lock(mutex_);
      if (!found_) found_ = *status;
    }
    has_stopped_ = true;
    if (is_hard) is_finished_ = true;
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* is_automatic) override {
    *is_automatic = false;
  }
  bool has_stopped() const { return has_stopped_; }
  bool is_finished() const { return is_finished_; }
  void set_stopped(bool has_stopped) { has_stopped_ = has_stopped; }
  void finish() { has_stopped_ = is_finished_ = true; }
  // What finished it; nothing where it was the manifest.
  std::optional<rocksdb::Status> found() const {
    const std::lock_guard lock(mutex_);
    return found_;
  }

 private:
  std::atomic<bool> has_stopped_{false};
  std::atomic<bool> is_finished_{false};
  mutable std::mutex mutex_;  // guards found_
  std::optional<rocksdb::Status> found_;
};

}  // namespace alfheim::index
