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

base::Result<std::optional<base::ByteView>> NotingSource::get(base::ByteView key,
                                                              base::Bytes& scratch) {
  ++count_;
  ALF_TRY(found_, PointSource::get(key, scratch));
  if (found_ && found_->data() == scratch.data()) {
    copy_ = *found_;
    found_ = copy_;
    return std::optional<base::ByteView>(scratch);
  }
  return found_;
}

base::Result<std::optional<base::ByteView>> OneRecordSource::get(base::ByteView key, base::Bytes&) {
  ALF_CHECK_MSG(key.ends_with(key_end_), "a read of one key asks for its record alone");
  return std::optional<base::ByteView>(record_);
}

base::Status LogValues::read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                             base::Bytes& out) {
  base::Status status = read_now(address, from, length, out);
  if (!status && status.error().code == base::ErrorCode::kWouldBlock) is_short_ = true;
  return status;
}

base::Status LogValues::read_now(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
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
