#include "resp/reply_scanner.h"

#include <algorithm>
#include <cstring>

#include "base/limits.h"

namespace alfheim::resp {
namespace {

constexpr base::ByteView kLineTypes = "+-:_,#(";
constexpr base::ByteView kSizedTypes = "$=!*~>%|";
// Longer than any length or count that a node of ours writes.
constexpr uint64_t kNumberMax = uint64_t{1} << 40;
constexpr uint64_t kValuesMax = uint64_t{1} << 60;
constexpr uint64_t kLineEndBytes = 2;

}  // namespace

ReplyScanner::Found ReplyScanner::scan(base::ByteView bytes, size_t& taken) {
  taken = 0;
  while (taken < bytes.size() && part_ != Part::kBroken) {
    switch (part_) {
      case Part::kType: take_type(bytes[taken++]); break;
      case Part::kNumber: take_digit(bytes[taken++]); break;
      case Part::kLine: {
        const void* const end = std::memchr(bytes.data() + taken, '\n', bytes.size() - taken);
        if (end == nullptr) {
          taken = bytes.size();
          break;
        }
        taken = static_cast<size_t>(static_cast<const char*>(end) - bytes.data()) + 1;
        end_line();
        break;
      }
      case Part::kBody: {
        const uint64_t count = std::min<uint64_t>(body_left_, bytes.size() - taken);
        taken += count;
        body_left_ -= count;
        if (body_left_ > 0) break;
        --values_left_;
        part_ = Part::kType;
        break;
      }
      case Part::kBroken: break;
    }
    if (part_ == Part::kType && values_left_ == 0) {
      return is_push() ? Found::kPush : Found::kReply;
    }
  }
  return part_ == Part::kBroken ? Found::kBroken : Found::kMore;
}

void ReplyScanner::take_type(char type) {
  if (values_left_ == 0) {
    first_type_ = type;
    values_left_ = 1;
  }
  type_ = type;
  number_ = 0;
  is_negative_ = false;
  if (kLineTypes.find(type) != base::ByteView::npos) {
    part_ = Part::kLine;
  } else {
    part_ = kSizedTypes.find(type) != base::ByteView::npos ? Part::kNumber : Part::kBroken;
  }
}

void ReplyScanner::take_digit(char digit) {
  if (digit == '\n') return end_line();
  if (digit == '\r') return;
  if (digit == '-' && number_ == 0 && !is_negative_) {
    is_negative_ = true;
    return;
  }
  const bool is_digit = digit >= '0' && digit <= '9';
  if (!is_digit || number_ > kNumberMax) {
    part_ = Part::kBroken;
    return;
  }
  number_ = number_ * 10 + static_cast<uint64_t>(digit - '0');
}

void ReplyScanner::end_line() {
  part_ = Part::kType;
  const uint64_t count = is_negative_ ? 0 : number_;  // -1 is null
  switch (type_) {
    case '$':
    case '=':
    case '!':
      if (is_negative_) break;
      body_left_ = count + kLineEndBytes;
      part_ = Part::kBody;
      return;
    case '*':
    case '~':
    case '>': values_left_ += count; break;
    case '%': values_left_ += 2 * count; break;
    // Stands before a value, and is none.
    case '|': values_left_ += 2 * count + 1; break;
    default: break;
  }
  --values_left_;
  if (values_left_ > kValuesMax) part_ = Part::kBroken;
}

}  // namespace alfheim::resp
