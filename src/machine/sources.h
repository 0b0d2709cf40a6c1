// machine/sources: the index and the value log, as the types want to see them.
//
// Adapters only. PointSource is a loop's read guard: it cannot walk; NotingSource remembers what
// it was asked for, and OneRecordSource is what another remembered. ViewSource is a view:
// it may block, by its mode. LogValues reads separated values; with a byte limit it leaves
// large ones to the reader pool. IndexSource and ApplyValues are apply's own reading.
//
// Thread and lifetime: of what they borrow; one command, but IndexSource and
// ApplyValues (the machine's).
#pragma once

#include <memory>
#include <optional>

#include "index/index.h"
#include "machine/slice.h"
#include "types/record_source.h"
#include "vlog/log.h"

namespace alfheim::machine {

// Values up to this size are read by a loop itself (from memory or page cache).
inline constexpr uint64_t kLoopValueBytesMax = 64 * 1024;
// And so much by one command.
inline constexpr uint64_t kLoopReadBytesMax = 256 * 1024;

// Adapts an index cursor, and keeps the view that it walks alive.
class WalkCursor : public types::RecordCursor {
 public:
  WalkCursor(std::shared_ptr<index::View> view, env::ReadMode mode);
  void seek(base::ByteView key) override { cursor_->seek(key); }
  void seek_for_prev(base::ByteView key) override { cursor_->seek_for_prev(key); }
  void next() override { cursor_->next(); }
  void prev() override { cursor_->prev(); }
  bool is_valid() const override { return cursor_->is_valid(); }
  base::ByteView key() const override { return cursor_->key(); }
  base::ByteView value() const override { return cursor_->value(); }
  base::Status status() const override { return cursor_->status(); }

 private:
  std::shared_ptr<index::View> view_;
  std::unique_ptr<index::Cursor> cursor_;
};

class PointSource : public types::RecordSource {
 public:
  explicit PointSource(const index::ReadGuard& guard) : guard_(guard) {}
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override {
    return guard_.get(key, scratch);
  }
  std::unique_ptr<types::RecordCursor> walk() override { return nullptr; }
  uint64_t bytes_at_once_max() const override { return kLoopValueBytesMax; }

 private:
  const index::ReadGuard& guard_;
};

// Notes what it was asked for.
class NotingSource : public PointSource {
 public:
  explicit NotingSource(const index::ReadGuard& guard) : PointSource(guard) {}
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override;
  size_t count() const { return count_; }
  // The last record found; while the guard lives.
  std::optional<base::ByteView> found() const { return found_; }

 private:
  size_t count_ = 0;
  std::optional<base::ByteView> found_;
  base::Bytes copy_;  // of what stood in somebody's scratch
};

// One record, that of a key which ends in these bytes: all that a begun read may ask for.
class OneRecordSource : public types::RecordSource {
 public:
  OneRecordSource(base::ByteView key_end, base::ByteView record)
      : key_end_(key_end), record_(record) {}
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override;
  std::unique_ptr<types::RecordCursor> walk() override { return nullptr; }

 private:
  base::ByteView key_end_;
  base::ByteView record_;
};

class ViewSource : public types::RecordSource {
 public:
  ViewSource(std::shared_ptr<index::View> view, env::ReadMode mode)
      : view_(std::move(view)), mode_(mode) {}
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override {
    return view_->get(key, mode_, scratch);
  }
  std::unique_ptr<types::RecordCursor> walk() override {
    return std::make_unique<WalkCursor>(view_, mode_);
  }

 private:
  std::shared_ptr<index::View> view_;
  env::ReadMode mode_;
};

class LogValues : public types::ValueSource {
 public:
  struct Options {
    env::ReadMode mode = env::ReadMode::kMayBlock;
    uint64_t bytes_max = UINT64_MAX;        // more than this at once is kWouldBlock
    uint64_t total_bytes_max = UINT64_MAX;  // and more than this in all
    // Who may not wait reads itself only what a loop may.
    static Options of(env::ReadMode mode, uint64_t total_bytes_max = UINT64_MAX) {
      return {mode, mode == env::ReadMode::kMayBlock ? UINT64_MAX : kLoopValueBytesMax,
              total_bytes_max};
    }
  };
  LogValues(const vlog::Log& log, vlog::Pin pin, Options options)
      : log_(log), pin_(std::move(pin)), options_(options) {}
  void set_options(Options options) { options_ = options; }
  base::Status read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                    base::Bytes& out) override;
  // Whether one of them could not be had without waiting.
  bool is_short() const { return is_short_; }

 private:
  base::Status read_now(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                        base::Bytes& out);

  const vlog::Log& log_;
  vlog::Pin pin_;  // null: nothing is dropped meanwhile (apply, and whoever keeps it out)
  Options options_;
  uint64_t total_bytes_ = 0;  // read
  bool is_short_ = false;
};

class IndexSource : public types::RecordSource {
 public:
  IndexSource(index::Index& index, Slice& slice) : index_(index), slice_(slice) {}
  env::ReadMode mode() const { return mode_; }
  void set_mode(env::ReadMode mode) { mode_ = mode; }
  base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                  base::Bytes& scratch) override {
    auto found = index_.get_for_write(key, scratch, mode_);
    const bool would_block = !found.is_ok() && found.error().code == base::ErrorCode::kWouldBlock;
    if (!would_block || mode_ == env::ReadMode::kMemoryOnly) return found;
    slice_.close();  // nothing may wait inside it
    return index_.get_for_write(key, scratch, mode_);
  }
  uint64_t bytes_at_once_max() const override {
    return mode_ == env::ReadMode::kMemoryOnly ? kLoopValueBytesMax : UINT64_MAX;
  }
  // Null, which is kWouldBlock, where nothing may wait.
  std::unique_ptr<types::RecordCursor> walk() override {
    if (mode_ == env::ReadMode::kMemoryOnly) return nullptr;
    slice_.close();
    return std::make_unique<WalkCursor>(index_.open_view(), env::ReadMode::kMayBlock);
  }

 private:
  index::Index& index_;
  Slice& slice_;
  env::ReadMode mode_ = env::ReadMode::kMayBlock;
};

// Apply's own reading of values, which may wait for the disk: never inside a slice.
class ApplyValues : public types::ValueSource {
 public:
  ApplyValues(const vlog::Log& log, Slice& slice)
      : values_(log, nullptr, LogValues::Options{}), slice_(slice) {}
  void set_mode(env::ReadMode mode) { values_.set_options(LogValues::Options::of(mode)); }
  base::Status read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                    base::Bytes& out) override {
    slice_.close();
    return values_.read(address, from, length, out);
  }

 private:
  LogValues values_;
  Slice& slice_;
};

}  // namespace alfheim::machine
