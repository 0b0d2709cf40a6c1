#include "index/view.h"

#include <shared_mutex>

#include "index/index.h"
#include "index/memory.h"
#include "index/merged_cursor.h"

namespace alfheim::index {

View::~View() { index_.close_view(*this); }

base::Result<std::optional<ByteView>> View::get(ByteView key, ReadMode mode, Bytes& scratch) const {
  const uint64_t hash = index_.memory_->hash(key);
  {
    const std::shared_lock guard(index_.lock_);
    Record* seen = Memory::visible(index_.memory_->find(key, hash), sequence_, persisted_);
    if (seen != nullptr) {
      seen->touch();
      if (seen->is_tombstone) return std::optional<ByteView>();
      scratch = seen->value();
      return std::optional<ByteView>(scratch);
    }
  }
  return snapshot_->get(key, mode, scratch);
}

std::unique_ptr<Cursor> View::scan(ScanOptions options) const {
  return std::make_unique<MergedCursor>(*this, std::move(options));
}

}  // namespace alfheim::index
