// index/run_cursor: what a view sees of the runs, in order, either way.
//
// Merges the B-trees and sorted levels of the view's active and frozen run. It copies a batch
// of records under one short shared lock and lets go; the next batch looks its place up again
// by key, because what stands between may have been replaced.
//
// Thread: one at a time. Lifetime: the view outlives it.
#pragma once

#include <optional>
#include <vector>

#include "index/run.h"
#include "index/view.h"

namespace alfheim::index {

class RunCursor {
 public:
  // `options` outlives the cursor. `active` and `frozen` are the levels to merge, empty where
  // the bounds touch ordered kinds only.
  RunCursor(const View& view, const ScanOptions& options, Run::Levels active, Run::Levels frozen);

  // To the first key in direction `is_forward` from `key`, which is included on request.
  void seek(ByteView key, bool is_included, bool is_forward);
  void advance();  // in the direction of the last seek
  bool is_valid() const { return at_ < batch_.size(); }
  ByteView key() const { return slice(batch_[at_].key_begin, batch_[at_].key_bytes); }
  std::optional<ByteView> content() const {
    const Item& item = batch_[at_];
    if (item.is_tombstone) return std::nullopt;
    return slice(item.key_begin + item.key_bytes, item.value_bytes);
  }

 private:
  struct Item {
    size_t key_begin;  // in copied_; the value follows the key
    size_t key_bytes;
    size_t value_bytes;
    bool is_tombstone;
  };
  // A place in a B-tree (no level) or a level. Backwards it is one past the record it names.
  struct Source {
    const Run* run;
    const Run::Level* level;
    Run::Ordered::const_iterator entry;
    size_t position;
  };

  ByteView slice(size_t begin, size_t count) const {
    return ByteView(copied_).substr(begin, count);
  }
  void add_sources(const Run* run, const Run::Levels& levels);
  void place(Source& source, ByteView key, bool is_included) const;
  Record* current(const Source& source) const;
  void step(Source& source) const;
  void fill(Bytes key, bool is_included);
  void copy_slice(ByteView key, bool is_included);
  bool is_beyond(ByteView key) const;
  bool is_better(ByteView key, ByteView than) const {
    return is_forward_ ? key < than : than < key;
  }

  const View& view_;
  const ScanOptions& options_;
  Run::Levels active_;
  Run::Levels frozen_;
  std::vector<Source> sources_;
  bool is_forward_ = true;
  bool is_at_end_ = false;  // nothing follows the batch
  Bytes copied_;
  std::vector<Item> batch_;
  Bytes last_examined_;
  size_t at_ = 0;
  size_t batch_max_ = 0;
};

}  // namespace alfheim::index
