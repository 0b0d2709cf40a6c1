#include "machine/transaction.h"

#include <algorithm>

#include "base/check.h"

namespace alfheim::machine {
namespace {

struct SortedChange {
  base::Bytes key;
  std::optional<base::Bytes> value;
};

// The changes laid over the records below, in key order, both ways.
class MergedCursor : public types::RecordCursor {
 public:
  MergedCursor(std::unique_ptr<types::RecordCursor> below, std::vector<SortedChange> changes)
      : below_(std::move(below)), changes_(std::move(changes)) {}

  void seek(base::ByteView key) override {
    below_->seek(key);
    change_ = lower_bound(key);
    is_forward_ = true;
    settle();
  }
  void seek_for_prev(base::ByteView key) override {
    below_->seek_for_prev(key);
    change_ = upper_bound(key) - 1;
    is_forward_ = false;
    settle();
  }
  void next() override {
    ALF_CHECK(is_valid());
    const base::Bytes current(key());
    if (!is_forward_) {
      seek(current);
      if (!is_valid() || key() != current) return;
    }
    step(current);
    settle();
  }
  void prev() override {
    ALF_CHECK(is_valid());
    const base::Bytes current(key());
    if (is_forward_) {
      seek_for_prev(current);
      if (!is_valid() || key() != current) return;
    }
    step(current);
    settle();
  }
  bool is_valid() const override { return is_valid_; }
  base::ByteView key() const override {
    ALF_CHECK(is_valid_);
    return on_change_ ? base::ByteView(changes_[at()].key) : below_->key();
  }
  base::ByteView value() const override {
    ALF_CHECK(is_valid_);
    return on_change_ ? base::ByteView(*changes_[at()].value) : below_->value();
  }
  base::Status status() const override { return below_->status(); }

 private:
  size_t at() const { return static_cast<size_t>(change_); }
  bool has_change() const {
    return change_ >= 0 && change_ < static_cast<ptrdiff_t>(changes_.size());
  }
  ptrdiff_t lower_bound(base::ByteView key) const {
    return std::lower_bound(changes_.begin(), changes_.end(), key,
                            [](const SortedChange& a, base::ByteView b) { return a.key < b; }) -
           changes_.begin();
  }
  ptrdiff_t upper_bound(base::ByteView key) const {
    return std::upper_bound(changes_.begin(), changes_.end(), key,
                            [](base::ByteView a, const SortedChange& b) { return a < b.key; }) -
           changes_.begin();
  }
  void step_below() { is_forward_ ? below_->next() : below_->prev(); }
  void step_change() { is_forward_ ? ++change_ : --change_; }
  // Moves both sides past `current`.
  void step(base::ByteView current) {
    if (below_->is_valid() && below_->key() == current) step_below();
    if (has_change() && changes_[at()].key == current) step_change();
  }
  // Chooses the nearer side; a change hides the record below it, an erase hides both.
  void settle() {
    for (;;) {
      if (!has_change()) {
        on_change_ = false;
        is_valid_ = below_->is_valid();
        return;
      }
      // Behind a place that cannot be read nothing may be shown: there would be a gap.
      if (!below_->is_valid() && !below_->status().is_ok()) {
        is_valid_ = false;
        return;
      }
      const SortedChange& change = changes_[at()];
      if (below_->is_valid()) {
        const int order = below_->key().compare(change.key);
        if (is_forward_ ? order < 0 : order > 0) {
          on_change_ = false;
          is_valid_ = true;
          return;
        }
        if (order == 0 && !change.value) {
          step_below();
          step_change();
          continue;
        }
      }
      if (!change.value) {
        step_change();
        continue;
      }
      on_change_ = true;
      is_valid_ = true;
      return;
    }
  }

  std::unique_ptr<types::RecordCursor> below_;
  std::vector<SortedChange> changes_;
  ptrdiff_t change_ = 0;
  bool is_forward_ = true;
  bool on_change_ = false;
  bool is_valid_ = false;
};

}  // namespace

std::optional<size_t> Transaction::find(base::ByteView key) const {
  if (changes_.size() > kLinearMax) {
    auto found = by_key_.find(key);
    return found == by_key_.end() ? std::nullopt : std::optional<size_t>(found->second);
  }
  for (size_t i = 0; i < changes_.size(); ++i) {
    if (key_at(i) == key) return i;
  }
  return std::nullopt;
}

base::Result<std::optional<base::ByteView>> Transaction::get(base::ByteView key,
                                                             base::Bytes& scratch) {
  const std::optional<size_t> found = find(key);
  if (!found) return below_.get(key, scratch);
  const std::optional<base::ByteView> value = value_at(*found);
  if (!value) return std::optional<base::ByteView>();
  scratch.assign(*value);
  return std::optional<base::ByteView>(scratch);
}

std::unique_ptr<types::RecordCursor> Transaction::walk() {
  std::unique_ptr<types::RecordCursor> below = below_.walk();
  if (below == nullptr || changes_.empty()) return below;
  std::vector<SortedChange> sorted;
  sorted.reserve(changes_.size());
  for (size_t i = 0; i < changes_.size(); ++i) {
    SortedChange change{base::Bytes(key_at(i)), std::nullopt};
    if (const auto value = value_at(i)) change.value = base::Bytes(*value);
    sorted.push_back(std::move(change));
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const SortedChange& a, const SortedChange& b) { return a.key < b.key; });
  return std::make_unique<MergedCursor>(std::move(below), std::move(sorted));
}

Transaction::Change& Transaction::change_of(base::ByteView key) {
  ALF_CHECK(!key.empty());
  if (const auto found = find(key)) return changes_[*found];
  Change change;
  change.key_begin = bytes_.size();
  change.key_bytes = key.size();
  bytes_.append(key);
  changes_.push_back(change);
  if (changes_.size() == kLinearMax + 1) {
    for (size_t i = 0; i < changes_.size(); ++i) by_key_.emplace(std::string(key_at(i)), i);
  } else if (changes_.size() > kLinearMax + 1) {
    by_key_.emplace(std::string(key), changes_.size() - 1);
  }
  return changes_.back();
}

void Transaction::put(base::ByteView key, base::ByteView value) {
  Change& change = change_of(key);
  change.is_erase = false;
  change.value_begin = bytes_.size();
  change.value_bytes = value.size();
  bytes_.append(value);
}

void Transaction::erase(base::ByteView key) {
  Change& change = change_of(key);
  change.is_erase = true;
  change.value_bytes = 0;
}

base::ByteView Transaction::key_at(size_t i) const {
  ALF_CHECK(i < changes_.size());
  const Change& change = changes_[i];
  return base::ByteView(bytes_).substr(change.key_begin, change.key_bytes);
}

std::optional<base::ByteView> Transaction::value_at(size_t i) const {
  ALF_CHECK(i < changes_.size());
  const Change& change = changes_[i];
  if (change.is_erase) return std::nullopt;
  return base::ByteView(bytes_).substr(change.value_begin, change.value_bytes);
}

void Transaction::clear() {
  changes_.clear();
  by_key_.clear();
  bytes_.clear();
  // By exchange: assigning an empty string would keep the memory.
  if (bytes_.capacity() > kKeptBytesMax) base::Bytes().swap(bytes_);
  if (changes_.capacity() * sizeof(Change) > kKeptBytesMax) std::vector<Change>().swap(changes_);
}

}  // namespace alfheim::machine
