// The readers' half of a Log: any thread.
#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "base/limits.h"
#include "vlog/log_state.h"
#include "vlog/segment_reader.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;
using base::LogIndex;

constexpr uint64_t kCursorWindowBytes = base::kMiB;
// Of the values that were fetched from the disk one in so many, a power of two, stays in memory:
// what is read again and again is there soon, and what is read once pushes little out.
constexpr uint64_t kFetchesPerKept = 8;

base::Error bad_value(const ValueAddress& address, const std::string& where,
                      const std::string& words) {
  return {
      ErrorCode::kCorruption,
      base::format("read value of entry {} at payload offset_bytes={}, {} bytes, from {}: {}",
                   address.index.value, address.offset_bytes, address.length_bytes, where, words)};
}

base::Status check_value(const ValueAddress& address, const std::string& where,
                         base::ByteView value) {
  const uint32_t computed = base::crc32c(value);
  if (computed == address.crc) return base::ok();
  return bad_value(
      address, where,
      base::format("crc {:#010x} in the address, {:#010x} computed", address.crc, computed));
}

// Every byte that leaves was under the checksum, so a part costs reading the whole value; the
// entry's bound (kEntryBytesMax) bounds that.
base::Status read_value_from_file(const Segment& segment, RecordPlace place,
                                  const ValueAddress& address, uint64_t from_bytes,
                                  uint64_t length_bytes, base::Bytes& out, env::ReadMode mode) {
  const bool is_whole = length_bytes == address.length_bytes;
  if (!is_whole && mode == env::ReadMode::kMemoryOnly &&
      address.length_bytes > kPartInMemoryBytesMax) {
    return base::Error{ErrorCode::kWouldBlock, "part of a large value"};
  }
  const uint64_t value_offset = place.offset_bytes + kRecordHeaderBytes + address.offset_bytes;
  base::Bytes whole;  // of a part; it must not swell `out`
  base::Bytes& into = is_whole ? out : whole;
  const size_t before = into.size();
  into.resize(before + address.length_bytes);
  auto status = read_exactly(*segment.file, segment.path, value_offset,
                             std::span(into).subspan(before), mode);
  if (status.is_ok()) {
    status = check_value(address, base::format("{} at offset_bytes={}", segment.path, value_offset),
                         base::ByteView(into).substr(before));
  }
  if (!status.is_ok()) {
    into.resize(before);
    return status;
  }
  if (!is_whole) out.append(whole, from_bytes, length_bytes);
  return base::ok();
}

}  // namespace

// Which of them does not follow any pattern of who reads what in turn.
env::ReadMode LogState::mode_of_fetch(env::ReadMode mode) {
  static_assert((kFetchesPerKept & (kFetchesPerKept - 1)) == 0);
  if (mode != env::ReadMode::kMayBlock) return mode;
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
  const uint64_t draw = counters.fetches.fetch_add(1, std::memory_order_relaxed) * kGoldenRatio;
  return (draw >> 32) % kFetchesPerKept == 0 ? mode : env::ReadMode::kPassing;
}

LogState::Found LogState::find(const SegmentSet* pinned, LogIndex index) const {
  const std::shared_lock lock(mutex);
  Found found;
  if (!shared.tail.empty() && index >= shared.tail.front().index &&
      index <= shared.tail.back().index) {
    found.entry = shared.tail[index.value - shared.tail.front().index.value];
    ALF_CHECK(found.entry->index == index);
    return found;
  }
  // The pinned set first; what was appended since the pin is in the current one.
  for (const SegmentSet* set : {pinned, shared.set.get()}) {
    if (set == nullptr) continue;
    SegmentPtr segment = set->find(index);
    if (segment == nullptr || !segment->table.holds(index)) continue;
    found.place = segment->table.place_at(index);
    found.data_end_bytes = segment->data_end_bytes;
    found.segment = std::move(segment);
    break;
  }
  return found;
}

LogIndex Log::first_index() const {
  const std::shared_lock lock(state_->mutex);
  return state_->shared.first_index;
}

LogIndex Log::last_index() const {
  const std::shared_lock lock(state_->mutex);
  return state_->shared.last_index;
}

base::Stamp Log::last_stamp() const {
  const std::shared_lock lock(state_->mutex);
  return state_->shared.last_stamp;
}

std::optional<base::Term> Log::term_at(LogIndex index) const {
  const std::shared_lock lock(state_->mutex);
  const LogState::Shared& shared = state_->shared;
  if (index.next() == shared.first_index) return shared.previous_term;
  if (index < shared.first_index || index > shared.last_index) return std::nullopt;
  const SegmentPtr segment = shared.set->find(index);
  ALF_CHECK_MSG(segment != nullptr && segment->table.holds(index), "the log has no gap");
  return segment->table.term_at(index);
}

base::Result<raft::Entry> Log::read_entry(LogIndex index, env::ReadMode mode) const {
  LogState::Found found = state_->find(nullptr, index);
  if (found.entry) return *std::move(found.entry);
  if (!found.is_found()) {
    return base::Error{
        ErrorCode::kNotFound,
        base::format("read entry {} of {}: no segment holds it", index.value, state_->options.dir)};
  }
  return read_record(*found.segment, found.place, index, mode);
}

EntryCursor Log::cursor(LogIndex from) const { return {*this, from}; }

base::Status Log::replay(LogIndex from,
                         const std::function<base::Status(raft::Entry)>& visit) const {
  EntryCursor entries = cursor(from);
  for (;;) {
    ALF_TRY(std::optional<raft::Entry> entry, entries.next());
    if (!entry) return base::ok();
    ALF_TRY_STATUS(visit(*std::move(entry)));
  }
}

base::Result<std::optional<raft::Entry>> EntryCursor::next() {
  if (next_ > log_.last_index()) return std::optional<raft::Entry>();
  LogState::Found found = log_.state_->find(nullptr, next_);
  if (!found.is_found()) {
    return base::Error{ErrorCode::kNotFound,
                       base::format("read entry {} of {}: no segment holds it", next_.value,
                                    log_.state_->options.dir)};
  }
  if (!found.entry) {
    const Segment& segment = *found.segment;
    const uint64_t begin = found.place.offset_bytes;
    const uint64_t length = kRecordHeaderBytes + found.place.payload_bytes;
    const bool is_inside = window_segment_id_ == segment.header.id &&
                           begin >= window_offset_bytes_ &&
                           begin + length <= window_offset_bytes_ + window_.size();
    if (!is_inside) {
      // Never beyond the data as published: what follows may be in the middle of a write.
      const uint64_t end =
          std::min(found.data_end_bytes, begin + std::max(length, kCursorWindowBytes));
      ALF_CHECK(end >= begin + length);
      window_segment_id_ = 0;
      window_.resize(end - begin);
      ALF_TRY_STATUS(
          read_exactly(*segment.file, segment.path, begin, window_, env::ReadMode::kMayBlock));
      window_segment_id_ = segment.header.id;
      window_offset_bytes_ = begin;
    }
    auto entry = decode_record(base::ByteView(window_).substr(begin - window_offset_bytes_, length),
                               segment.header.uid, next_);
    if (!entry.is_ok()) return corruption_at(segment.path, begin, entry.error().message);
    found.entry = std::move(entry).value();
  }
  next_ = next_.next();
  return found.entry;
}

Pin Log::pin() const {
  const std::shared_lock lock(state_->mutex);
  return state_->shared.set;
}

// A pin from before alone would miss a segment made in between, one from after alone a segment
// dropped in between. A roll takes several syncs, so a second try all but always succeeds.
Pin Log::pin_around(const std::function<void()>& take) const {
  for (;;) {
    Pin pinned = pin();
    take();
    if (pin() == pinned) return pinned;
  }
}

base::Status Log::read_value(const SegmentSet& pinned, const ValueAddress& address,
                             uint64_t from_bytes, uint64_t length_bytes, base::Bytes& out,
                             env::ReadMode mode) const {
  const LogState::Found found = state_->find(&pinned, address.index);
  const std::string& where = found.segment ? found.segment->path : state_->options.dir;
  if (!found.is_found()) return bad_value(address, where, "no segment holds the entry");
  const uint64_t payload_bytes =
      found.entry ? found.entry->bytes().size() : found.place.payload_bytes;
  const uint64_t end_bytes = uint64_t{address.offset_bytes} + address.length_bytes;
  if (end_bytes > payload_bytes) {
    return bad_value(address, where,
                     base::format("the entry's payload has {} bytes", payload_bytes));
  }
  from_bytes = std::min<uint64_t>(from_bytes, address.length_bytes);
  length_bytes = std::min<uint64_t>(length_bytes, address.length_bytes - from_bytes);
  if (!found.entry) {
    return read_value_from_file(*found.segment, found.place, address, from_bytes, length_bytes, out,
                                state_->mode_of_fetch(mode));
  }
  const base::ByteView value =
      found.entry->bytes().substr(address.offset_bytes, address.length_bytes);
  // What is in memory was never on a disk that rots; the sum would only find our own bugs.
  if (length_bytes == value.size() || value.size() <= kPartInMemoryBytesMax) {
    ALF_TRY_STATUS(check_value(address, "memory", value));
  }
  out.append(value.substr(from_bytes, length_bytes));
  return base::ok();
}

base::Status Log::read_value(const ValueAddress& address, uint64_t from_bytes,
                             uint64_t length_bytes, base::Bytes& out, env::ReadMode mode) const {
  const Pin pinned = pin();
  return read_value(*pinned, address, from_bytes, length_bytes, out, mode);
}

std::vector<SegmentInfo> Log::sealed_segments() const {
  const std::shared_lock lock(state_->mutex);
  std::vector<SegmentInfo> infos;
  for (const SegmentPtr& segment : state_->shared.set->segments()) {
    if (!segment->is_sealed) continue;
    infos.push_back({.id = segment->header.id,
                     .first_index = segment->table.first_index(),
                     .last_index = segment->table.last_index(),
                     .entry_count = segment->table.places().size(),
                     .file_bytes = segment->header.file_bytes,
                     .data_bytes = segment->data_end_bytes - kSegmentHeaderBytes});
  }
  return infos;
}

void Log::check_invariants() const {
  const std::shared_lock lock(state_->mutex);
  const LogState::Shared& shared = state_->shared;
  ALF_CHECK(shared.first_index.value >= 1);
  ALF_CHECK(shared.last_index.next() >= shared.first_index);
  LogIndex held_until;  // the last index seen so far
  LogIndex expected = shared.first_index;
  for (const SegmentPtr& segment : shared.set->segments()) {
    const SegmentTable& table = segment->table;
    ALF_CHECK(!table.is_empty());
    ALF_CHECK(table.first_index() == segment->header.first_index);
    ALF_CHECK(table.first_index() > held_until);
    held_until = table.last_index();
    if (held_until < shared.first_index) continue;
    ALF_CHECK(table.first_index() <= expected);
    expected = held_until.next();
  }
  ALF_CHECK(expected == shared.last_index.next());
  ALF_CHECK(shared.tail_bytes <= state_->options.memory_tail_bytes);
  if (!shared.tail.empty()) {
    ALF_CHECK(shared.tail.back().index <= shared.last_index);
    ALF_CHECK(shared.tail.back().index.value - shared.tail.front().index.value + 1 ==
              shared.tail.size());
  }
}

}  // namespace alfheim::vlog
