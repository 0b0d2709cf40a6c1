#include "resp/request_cutter.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include "base/check.h"
#include "base/number.h"
#include "resp/inline_request.h"

namespace alfheim::resp {
namespace {

constexpr size_t kLineEndBytes = 2;
// Between requests argv_ keeps room for this many arguments.
constexpr size_t kArgumentsKept = 1024;
// A request of more than these will have all that it announced, most likely: to go on doubling
// would copy megabytes at a time. What does not come is never touched.
constexpr size_t kArgumentsDoubled = 16 * 1024;
// What the fast path of a number reads; so few digits cannot overflow.
constexpr size_t kFastDigitsMax = 9;
// Of a request that is looked at before its turn.
constexpr uint64_t kPeekedNumberMax = 9999;
constexpr size_t kPeekedWordsMax = 8;
// A buffer this many times larger than what is needed is given back.
constexpr size_t kShrinkFactor = 4;

}  // namespace

void RequestCutter::Free::operator()(char* memory) const { std::free(memory); }

RequestCutter::RequestCutter(Options options) : options_(options) {}

std::span<char> RequestCutter::room() {
  forget_given();
  if (begin_ == end_) begin_ = scan_ = end_ = 0;
  const size_t wanted = bytes_wanted();
  if (!make_room(wanted > 0 ? wanted : room_bytes_min())) return {};
  ALF_CHECK(end_ < capacity_);
  return {buffer_.get() + end_, capacity_ - end_};
}

bool RequestCutter::make_room(size_t bytes_more) {
  const size_t ordinary = options_.read_bytes;
  const size_t kept = end_ - begin_;
  const size_t needed = kept + bytes_more;
  const bool is_short = capacity_ - begin_ < needed;
  // Few bytes are rather brought to the front, with their arguments.
  const bool is_part = arguments_left_ > 0 && (is_in_parts() || scan_ - begin_ > ordinary);
  if (is_part) return !is_short || begin_part(bytes_more);
  const bool is_oversized = capacity_ > ordinary && capacity_ / kShrinkFactor > needed;
  if (!is_short && !is_oversized) return true;
  if (needed <= ordinary && (is_oversized || capacity_ < needed)) return move_to_front(ordinary);
  if (needed <= capacity_ && !is_oversized) return move_to_front(capacity_);
  // A large bulk gets what it announced, with room for the short arguments behind it. What was
  // not looked at grows by half each time, which keeps the copies linear in its size.
  return move_to_front(std::max(needed + ordinary, kept + kept / 2));
}

void RequestCutter::commit(size_t count) {
  ALF_CHECK(count <= capacity_ - end_);
  end_ += count;
  filled_bytes_ = std::max(filled_bytes_, end_);
}

void RequestCutter::release_idle() {
  forget_given();
  if (bytes_unconsumed() > 0) return;
  buffer_.reset();
  argv_ = std::vector<std::string_view>();
  capacity_ = filled_bytes_ = begin_ = scan_ = end_ = 0;
}

size_t RequestCutter::bytes_wanted() const {
  if (bulk_bytes_ == kNoBulk) return 0;
  const size_t bulk_end = scan_ + bulk_bytes_ + kLineEndBytes;
  return bulk_end > end_ ? bulk_end - end_ : 0;
}

std::optional<RequestCutter::Taken> RequestCutter::take_request() {
  ALF_CHECK(is_given_ && begin_ == scan_);
  const size_t rest = end_ - begin_;
  Buffer fresh;
  size_t fresh_capacity = 0;
  if (rest > 0) {
    fresh_capacity = std::max(rest + room_bytes_min(), options_.read_bytes);
    fresh.reset(static_cast<char*>(std::malloc(fresh_capacity)));
    if (fresh == nullptr) return std::nullopt;
    std::memcpy(fresh.get(), buffer_.get() + begin_, rest);
  }
  Taken taken{std::exchange(parts_.buffers, {}), parts_.filled + filled_bytes_,
              std::exchange(argv_, std::vector<std::string_view>())};
  taken.buffers.push_back(std::exchange(buffer_, std::move(fresh)));
  parts_ = {};
  is_given_ = false;
  capacity_ = fresh_capacity;
  begin_ = scan_ = 0;
  end_ = filled_bytes_ = rest;
  return taken;
}

RequestCutter::Taken RequestCutter::take_all() {
  Taken taken{std::exchange(parts_.buffers, {}), parts_.filled + filled_bytes_,
              std::exchange(argv_, std::vector<std::string_view>())};
  if (buffer_ != nullptr) taken.buffers.push_back(std::move(buffer_));
  parts_ = {};
  is_given_ = false;
  capacity_ = filled_bytes_ = begin_ = scan_ = end_ = 0;
  arguments_left_ = 0;
  bulk_bytes_ = kNoBulk;
  return taken;
}

void RequestCutter::forget_given() {
  if (!is_given_) return;
  is_given_ = false;
  argv_.clear();
  if (is_in_parts()) parts_ = {};
  // Not "= {}", which empties a vector and keeps its memory.
  if (argv_.capacity() > kArgumentsKept) argv_ = std::vector<std::string_view>();
}

bool RequestCutter::move_to_front(size_t capacity) {
  const size_t kept = end_ - begin_;
  ALF_CHECK(kept < capacity);
  const char* const old_front = buffer_.get() + begin_;
  Buffer old_buffer;  // lives until nothing points into it any more
  if (capacity == capacity_) {
    std::memmove(buffer_.get(), old_front, kept);
  } else {
    // malloc, because memory for an announced bulk must not be touched before bytes arrive in
    // it, and because running out of it is the end of one connection, not of the process.
    Buffer fresh(static_cast<char*>(std::malloc(capacity)));
    if (fresh == nullptr) return false;
    if (kept > 0) std::memcpy(fresh.get(), old_front, kept);
    old_buffer = std::exchange(buffer_, std::move(fresh));
    capacity_ = capacity;
    filled_bytes_ = kept;
  }
  // Here argv_ can only hold the first arguments of a request that is still open.
  for (std::string_view& argument : argv_) {
    argument = {buffer_.get() + (argument.data() - old_front), argument.size()};
  }
  scan_ -= begin_;
  begin_ = 0;
  end_ = kept;
  return true;
}

bool RequestCutter::begin_part(size_t bytes_more) {
  const size_t moved = end_ - scan_;  // of one argument: all of it has room where it goes
  const size_t most = options_.read_bytes * (kPartBytesMax / kReadBytes);
  const size_t share = std::clamp(bytes_unconsumed() / 2, options_.read_bytes, most);
  const size_t capacity = std::max(moved + bytes_more + options_.read_bytes, share);
  Buffer fresh(static_cast<char*>(std::malloc(capacity)));
  if (fresh == nullptr) return false;
  if (moved > 0) std::memcpy(fresh.get(), buffer_.get() + scan_, moved);
  parts_.unconsumed += scan_ - begin_;
  const char* const last = argv_.empty() ? nullptr : argv_.back().data();
  const bool is_used =
      std::less_equal<>()(buffer_.get(), last) && std::less<>()(last, buffer_.get() + capacity_);
  if (is_used) {
    parts_.capacity += capacity_;
    parts_.filled += filled_bytes_;
    parts_.buffers.push_back(std::move(buffer_));
  }
  buffer_ = std::move(fresh);
  capacity_ = capacity;
  begin_ = scan_ = 0;
  end_ = filled_bytes_ = moved;
  return true;
}

Cut RequestCutter::next() {
  if (!error_.empty()) return Cut::kProtocolError;
  for (;;) {
    forget_given();
    if (arguments_left_ == 0 && scan_ == end_) return Cut::kNeedMore;
    const bool is_multibulk = arguments_left_ > 0 || buffer_.get()[scan_] == '*';
    switch (is_multibulk ? cut_multibulk() : cut_inline()) {
      case Progress::kNeedMore: return Cut::kNeedMore;
      case Progress::kError: return Cut::kProtocolError;
      case Progress::kDone: break;
    }
    begin_ = scan_;
    parts_.unconsumed = 0;
    is_given_ = true;
    if (!argv_.empty()) return Cut::kRequest;
  }
}

std::optional<size_t> RequestCutter::peek_number(char type, size_t& place) const {
  if (place >= end_ || buffer_.get()[place] != type) return std::nullopt;
  ++place;
  const std::optional<uint64_t> number = plain_number(place);
  if (!number || *number > kPeekedNumberMax) return std::nullopt;
  return *number;
}

std::optional<std::string_view> RequestCutter::peek_second_word(size_t& offset) const {
  if (arguments_left_ > 0 || !error_.empty()) return std::nullopt;
  size_t place = begin_ + offset;
  const std::optional<size_t> count = peek_number('*', place);
  if (!count || *count == 0 || *count > kPeekedWordsMax) return std::nullopt;
  std::string_view second;
  for (size_t i = 0; i < *count; ++i) {
    const std::optional<size_t> length = peek_number('$', place);
    if (!length || end_ - place < *length + kLineEndBytes) return std::nullopt;
    if (i == 1) second = {buffer_.get() + place, *length};
    place += *length + kLineEndBytes;
  }
  offset = place - begin_;
  return second;
}

RequestCutter::Progress RequestCutter::cut_multibulk() {
  if (arguments_left_ == 0) {
    const Progress progress = open_multibulk();
    if (progress != Progress::kDone) return progress;
  }
  while (arguments_left_ > 0) {
    if (bulk_bytes_ == kNoBulk) {
      const Progress progress = open_bulk();
      if (progress != Progress::kDone) return progress;
    }
    if (end_ - scan_ < bulk_bytes_ + kLineEndBytes) return Progress::kNeedMore;
    if (argv_.size() == argv_.capacity() && argv_.size() >= kArgumentsDoubled) {
      argv_.reserve(argv_.size() + arguments_left_);
    }
    argv_.emplace_back(buffer_.get() + scan_, bulk_bytes_);
    // What the line end consists of is not looked at; Redis does not either.
    scan_ += bulk_bytes_ + kLineEndBytes;
    bulk_bytes_ = kNoBulk;
    --arguments_left_;
  }
  return Progress::kDone;
}

RequestCutter::Progress RequestCutter::open_multibulk() {
  int64_t count = 0;
  const Line line = take_number(count);
  if (line == Line::kNeedMore) return Progress::kNeedMore;
  if (line == Line::kTooLong) return fail("Protocol error: too big mbulk count string");
  if (line == Line::kBad || count > static_cast<int64_t>(options_.argument_count_max)) {
    return fail("Protocol error: invalid multibulk length");
  }
  if (!options_.is_authenticated && count > static_cast<int64_t>(kUnauthenticatedArgumentsMax)) {
    return fail("Protocol error: unauthenticated multibulk length");
  }
  arguments_left_ = count > 0 ? static_cast<size_t>(count) : 0;
  return Progress::kDone;
}

RequestCutter::Progress RequestCutter::open_bulk() {
  int64_t length = 0;
  const char* const start = buffer_.get() + scan_;
  const Line line = take_number(length);
  if (line == Line::kNeedMore) return Progress::kNeedMore;
  if (line == Line::kTooLong) return fail("Protocol error: too big bulk count string");
  if (*start != '$') {
    return fail(std::string("Protocol error: expected '$', got '") + *start + "'");
  }
  if (line == Line::kBad || length < 0 || static_cast<uint64_t>(length) > options_.bulk_bytes_max) {
    return fail("Protocol error: invalid bulk length");
  }
  if (!options_.is_authenticated && length > static_cast<int64_t>(kUnauthenticatedBulkBytesMax)) {
    return fail("Protocol error: unauthenticated bulk length");
  }
  bulk_bytes_ = static_cast<size_t>(length);
  return Progress::kDone;
}

std::optional<uint64_t> RequestCutter::plain_number(size_t& place) const {
  const char* const data = buffer_.get();
  const size_t digits_begin = place;
  const size_t digits_end_max = std::min(end_, digits_begin + kFastDigitsMax);
  size_t at = digits_begin;
  uint64_t value = 0;
  for (; at < digits_end_max; ++at) {
    const unsigned digit = static_cast<unsigned char>(data[at]) - unsigned{'0'};
    if (digit > 9) break;
    value = value * 10 + digit;
  }
  const bool is_plain = at > digits_begin && (data[digits_begin] != '0' || at == digits_begin + 1);
  if (!is_plain || at + kLineEndBytes > end_ || data[at] != '\r') return std::nullopt;
  place = at + kLineEndBytes;
  return value;
}

RequestCutter::Line RequestCutter::take_number(int64_t& number) {
  size_t place = scan_ + 1;
  const std::optional<uint64_t> plain = plain_number(place);
  if (!plain) return take_number_slowly(number);
  number = static_cast<int64_t>(*plain);
  scan_ = place;
  return Line::kNumber;
}

// Everything but the common case: negative, very long, wrong, or not all there.
RequestCutter::Line RequestCutter::take_number_slowly(int64_t& number) {
  const char* const start = buffer_.get() + scan_;
  const size_t left = end_ - scan_;
  const auto* const found =
      left > 0 ? static_cast<const char*>(std::memchr(start, '\r', left)) : nullptr;
  // The length of the line alone decides, not how much of it came with one read.
  const size_t line_bytes = found != nullptr ? static_cast<size_t>(found - start) : left;
  if (line_bytes > kLineBytesMax) return Line::kTooLong;
  if (found == nullptr || left < line_bytes + kLineEndBytes) return Line::kNeedMore;
  scan_ += line_bytes + kLineEndBytes;
  const auto value = line_bytes > 0 ? base::parse_int64({start + 1, line_bytes - 1}) : std::nullopt;
  if (!value) return Line::kBad;
  number = *value;
  return Line::kNumber;
}

RequestCutter::Progress RequestCutter::cut_inline() {
  char* const start = buffer_.get() + scan_;
  const size_t left = end_ - scan_;
  const auto* const found = static_cast<const char*>(std::memchr(start, '\n', left));
  size_t line_bytes = found != nullptr ? static_cast<size_t>(found - start) : left;
  if (line_bytes > kLineBytesMax) return fail("Protocol error: too big inline request");
  if (found == nullptr) return Progress::kNeedMore;
  scan_ += line_bytes + 1;
  if (line_bytes > 0 && start[line_bytes - 1] == '\r') --line_bytes;
  if (!split_inline({start, line_bytes}, argv_)) {
    return fail("Protocol error: unbalanced quotes in request");
  }
  return Progress::kDone;
}

RequestCutter::Progress RequestCutter::fail(std::string text) {
  error_ = std::move(text);
  argv_.clear();
  parts_ = {};
  bulk_bytes_ = kNoBulk;  // nothing is wanted any more
  return Progress::kError;
}

}  // namespace alfheim::resp
