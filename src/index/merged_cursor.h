// index/merged_cursor: the cursor of a View: memory over the Store's snapshot.
//
// Where both name a key, memory counts, and a deletion there hides the Store's record.
//
// Thread: one at a time. Lifetime: the view outlives it.
#pragma once

#include <memory>
#include <optional>

#include "index/run_cursor.h"
#include "index/store.h"

namespace alfheim::index {

class MergedCursor final : public Cursor {
 public:
  MergedCursor(const View& view, ScanOptions options);

  void seek(ByteView key) override;
  void seek_for_prev(ByteView key) override;
  void next() override;
  void prev() override;
  bool is_valid() const override { return place_ != Place::kNone; }
  ByteView key() const override;
  ByteView value() const override;
  base::Status status() const override;

 private:
  // Where the current record is from; kBoth is memory's, with the Store's under it.
  enum class Place : uint8_t { kNone, kMemory, kStore, kBoth };

  base::Status prepare();
  bool touches_unordered_kinds() const;
  void move(ByteView key, bool is_included, bool is_forward);
  void advance();
  void advance_store();
  void settle();

  const View& view_;
  ScanOptions options_;  // fixed once the cursor is made
  std::optional<base::Error> error_;
  std::optional<RunCursor> memory_;
  std::unique_ptr<Cursor> store_;
  Place place_ = Place::kNone;
  bool is_forward_ = true;
};

}  // namespace alfheim::index
