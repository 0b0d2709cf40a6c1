#include "machine/sources.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::machine {

WalkCursor::WalkCursor(std::shared_ptr<index::View> view, env::ReadMode mode)
    : view_(std::move(view)) {
  ALF_CHECK(view_ != nullptr);
  index::ScanOptions options;
  options.mode = mode;
  cursor_ = view_->scan(options);
}

base::Status LogValues::read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                             base::Bytes& out) {
  const uint64_t wanted = std::min<uint64_t>(length, address.length_bytes);
  total_bytes_ += wanted;
  if (wanted > options_.bytes_max || total_bytes_ > options_.total_bytes_max) {
    return base::Error{base::ErrorCode::kWouldBlock, "large value: read it on the pool"};
  }
  if (pin_ == nullptr) return log_.read_value(address, from, length, out, options_.mode);
  return log_.read_value(*pin_, address, from, length, out, options_.mode);
}

}  // namespace alfheim::machine
