#include "index/merged_cursor.h"

#include "base/check.h"
#include "index/index.h"

namespace alfheim::index {

MergedCursor::MergedCursor(const View& view, ScanOptions options)
    : view_(view), options_(std::move(options)) {
  if (options_.lower.empty()) options_.lower = Bytes(1, kStoreKind + 1);
  const base::Status status = prepare();
  if (!status.is_ok()) error_ = status.error();
}

base::Status MergedCursor::prepare() {
  Run::Levels active;
  Run::Levels frozen;
  if (touches_unordered_kinds()) {
    SliceLock* lock = &view_.index_.lock_;
    ALF_TRY(active, view_.active_->sorted(view_.slot_count_, view_.sequence_, lock, options_.mode));
    if (view_.frozen_ != nullptr) {
      const size_t count = view_.frozen_->slot_count();
      ALF_TRY(frozen, view_.frozen_->sorted(count, view_.sequence_, lock, options_.mode));
    }
  }
  memory_.emplace(view_, options_, std::move(active), std::move(frozen));
  store_ = view_.snapshot_->scan(options_);
  return base::ok();
}

bool MergedCursor::touches_unordered_kinds() const {
  const auto first = static_cast<uint8_t>(options_.lower.front());
  int last = 0xff;
  if (!options_.upper.empty()) {
    last = static_cast<uint8_t>(options_.upper.front());
    if (options_.upper.size() == 1) --last;
  }
  const std::string& ordered = view_.index_.options_.ordered_kinds;
  for (int kind = first; kind <= last; ++kind) {
    if (ordered.find(static_cast<char>(kind)) == std::string::npos) return true;
  }
  return false;
}

void MergedCursor::seek(ByteView key) {
  move(key < options_.lower ? ByteView(options_.lower) : key, true, true);
}

void MergedCursor::seek_for_prev(ByteView key) {
  if (!options_.upper.empty() && key >= options_.upper) {
    move(options_.upper, false, false);
  } else {
    move(key, true, false);
  }
}

void MergedCursor::move(ByteView key, bool is_included, bool is_forward) {
  place_ = Place::kNone;
  if (error_) return;
  is_forward_ = is_forward;
  memory_->seek(key, is_included, is_forward);
  is_forward ? store_->seek(key) : store_->seek_for_prev(key);
  if (!is_included && store_->is_valid() && store_->key() == key) advance_store();
  settle();
}

void MergedCursor::next() {
  ALF_CHECK(is_valid());
  if (!is_forward_) return move(Bytes(key()), false, true);
  advance();
  settle();
}

void MergedCursor::prev() {
  ALF_CHECK(is_valid());
  if (is_forward_) return move(Bytes(key()), false, false);
  advance();
  settle();
}

void MergedCursor::advance_store() { is_forward_ ? store_->next() : store_->prev(); }

// Leaves the current record behind.
void MergedCursor::advance() {
  if (place_ != Place::kStore) memory_->advance();
  if (place_ != Place::kMemory) advance_store();
}

// Finds the record that both sides together show next; the sides stand at or behind it.
void MergedCursor::settle() {
  for (;; advance()) {
    place_ = Place::kNone;
    if (const base::Status status = store_->status(); !status.is_ok()) {
      error_ = status.error();
      return;
    }
    if (!memory_->is_valid()) {
      if (store_->is_valid()) place_ = Place::kStore;
      return;
    }
    place_ = Place::kMemory;
    if (store_->is_valid()) {
      const int order = memory_->key().compare(store_->key());
      if (order == 0) place_ = Place::kBoth;
      if (is_forward_ ? order > 0 : order < 0) place_ = Place::kStore;
    }
    if (place_ == Place::kStore || memory_->content().has_value()) return;
  }
}

ByteView MergedCursor::key() const {
  ALF_CHECK(is_valid());
  return place_ == Place::kStore ? store_->key() : memory_->key();
}

ByteView MergedCursor::value() const {
  ALF_CHECK(is_valid());
  return place_ == Place::kStore ? store_->value() : *memory_->content();
}

base::Status MergedCursor::status() const {
  if (error_) return *error_;
  return base::ok();
}

}  // namespace alfheim::index
