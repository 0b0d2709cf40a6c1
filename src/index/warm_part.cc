#include "index/warm_part.h"

#include "base/check.h"

namespace alfheim::index {
namespace {

// Enough that a cursor for each part costs nothing beside it, and few enough to be thrown away
// when an ingest comes between.
constexpr size_t kRecordsMax = 4096;
constexpr size_t kBytesMax = 1 << 20;

}  // namespace

base::Status WarmPart::run() {
  ALF_CHECK_MSG(places_.empty() && !is_last_, "a part runs once");
  ALF_CHECK(!from_.empty());
  ScanOptions options;
  options.lower = from_;
  options.upper = Bytes(1, static_cast<char>(static_cast<uint8_t>(from_.front()) + 1));
  options.fills_cache = false;  // what it reads goes to memory
  const std::unique_ptr<Cursor> cursor = snapshot_->scan(std::move(options));
  for (cursor->seek(from_); cursor->is_valid(); cursor->next()) {
    const ByteView key = cursor->key();
    const ByteView value = cursor->value();
    if (places_.size() >= kRecordsMax || bytes_.size() >= kBytesMax) {
      next_ = Bytes(key);
      return base::ok();
    }
    bytes_ += key;
    bytes_ += value;
    places_.push_back({static_cast<uint32_t>(key.size()), static_cast<uint32_t>(value.size())});
  }
  ALF_TRY_STATUS(cursor->status());
  is_last_ = true;
  return base::ok();
}

}  // namespace alfheim::index
