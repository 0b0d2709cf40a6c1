#include "index/run_cursor.h"

#include <algorithm>
#include <shared_mutex>

#include "base/check.h"
#include "index/index.h"
#include "index/memory.h"

namespace alfheim::index {
namespace {

// What keeps one shared lock below 200 µs.
constexpr size_t kBatchMin = 4;
constexpr size_t kBatchMax = 64;
constexpr size_t kBatchBytes = 64 * 1024;
constexpr size_t kExaminedMax = 256;

}  // namespace

RunCursor::RunCursor(const View& view, const ScanOptions& options, Run::Levels active,
                     Run::Levels frozen)
    : view_(view), options_(options), active_(std::move(active)), frozen_(std::move(frozen)) {
  // The newer run first: where both name a key, the first one counts.
  add_sources(view_.active_.get(), active_);
  if (view_.frozen_ != nullptr) add_sources(view_.frozen_.get(), frozen_);
}

void RunCursor::add_sources(const Run* run, const Run::Levels& levels) {
  sources_.push_back({run, nullptr, {}, 0});
  for (const auto& level : levels) sources_.push_back({run, level.get(), {}, 0});
}

void RunCursor::seek(ByteView key, bool is_included, bool is_forward) {
  is_forward_ = is_forward;
  batch_max_ = kBatchMin;
  fill(Bytes(key), is_included);
}

void RunCursor::advance() {
  ALF_CHECK(is_valid());
  if (++at_ < batch_.size() || is_at_end_) return;
  batch_max_ = std::min(2 * batch_max_, kBatchMax);
  fill(last_examined_, false);
}

void RunCursor::fill(Bytes key, bool is_included) {
  batch_.clear();
  copied_.clear();
  at_ = 0;
  is_at_end_ = false;
  while (batch_.empty() && !is_at_end_) {
    copy_slice(key, is_included);
    key = last_examined_;
    is_included = false;
  }
}

void RunCursor::copy_slice(ByteView key, bool is_included) {
  const std::shared_lock guard(view_.index_.lock_);
  for (Source& source : sources_) place(source, key, is_included);
  for (size_t examined = 0; batch_.size() < batch_max_ && copied_.size() < kBatchBytes;
       ++examined) {
    Record* best = nullptr;
    for (const Source& source : sources_) {
      Record* candidate = current(source);
      if (candidate == nullptr) continue;
      if (best == nullptr || is_better(candidate->key(), best->key())) best = candidate;
    }
    is_at_end_ = best == nullptr || is_beyond(best->key());
    if (is_at_end_) return;
    last_examined_ = best->key();
    for (Source& source : sources_) {
      const Record* same = current(source);
      if (same != nullptr && same->key() == last_examined_) step(source);
    }
    const Record* seen = Memory::visible(best, view_.sequence_, view_.persisted_);
    if (seen != nullptr) {
      batch_.push_back({copied_.size(), seen->key_bytes, seen->value_bytes, seen->is_tombstone});
      copied_.append(seen->bytes(), size_t{seen->key_bytes} + seen->value_bytes);
    }
    if (examined == kExaminedMax) return;
  }
}

bool RunCursor::is_beyond(ByteView key) const {
  if (is_forward_) return !options_.upper.empty() && key >= options_.upper;
  return key < options_.lower;
}

void RunCursor::place(Source& source, ByteView key, bool is_included) const {
  const Run::Ordered& ordered = source.run->ordered();
  // Forwards to the first record from `key` on; backwards one past the last one up to it.
  const bool is_lower = is_forward_ == is_included;
  if (source.level == nullptr) {
    source.entry = is_lower ? ordered.lower_bound(key) : ordered.upper_bound(key);
    return;
  }
  const Run::Level& level = *source.level;
  const auto stands_before = [&](uint32_t slot) {
    const ByteView slot_key = source.run->slot(slot)->key();
    return is_lower ? slot_key < key : slot_key <= key;
  };
  const auto at = std::partition_point(level.begin(), level.end(), stands_before);
  source.position = static_cast<size_t>(at - level.begin());
}

Record* RunCursor::current(const Source& source) const {
  if (source.level == nullptr) {
    const Run::Ordered& ordered = source.run->ordered();
    if (is_forward_) return source.entry == ordered.end() ? nullptr : source.entry->record;
    return source.entry == ordered.begin() ? nullptr : std::prev(source.entry)->record;
  }
  const Run::Level& level = *source.level;
  if (is_forward_) {
    return source.position == level.size() ? nullptr : source.run->slot(level[source.position]);
  }
  return source.position == 0 ? nullptr : source.run->slot(level[source.position - 1]);
}

void RunCursor::step(Source& source) const {
  if (source.level == nullptr) {
    is_forward_ ? ++source.entry : --source.entry;
  } else {
    is_forward_ ? ++source.position : --source.position;
  }
}

}  // namespace alfheim::index
