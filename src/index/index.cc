#include "index/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <shared_mutex>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"
#include "index/memory.h"
#include "index/run.h"

namespace alfheim::index {

base::Status FreezeJob::run() {
  ALF_CHECK_MSG(!is_ingested_, "a freeze job runs once");
  ALF_TRY(Run::Levels levels,
          frozen_->sorted(frozen_->slot_count(), frozen_->high(), nullptr, ReadMode::kMayBlock));
  RunSource source(*frozen_, std::move(levels));
  ALF_TRY_STATUS(store_.ingest(source, applied_));
  is_ingested_ = true;
  return base::ok();
}

// ---- Guards ---------------------------------------------------------------------------

ReadGuard::ReadGuard(const Index& owner) : index_(&owner) { index_->lock_.lock_shared(); }

ReadGuard::~ReadGuard() {
  if (index_ != nullptr) index_->lock_.unlock_shared();
}

base::Result<std::optional<ByteView>> ReadGuard::get(ByteView key, Bytes& scratch) const {
  const Memory& memory = *index_->memory_;
  Record* const newest = memory.find(key, memory.hash(key));
  if (newest == nullptr && index_->holds_all(key)) return std::optional<ByteView>();
  const View* const curtain = index_->progress_.curtain.get();
  Record* const seen = curtain == nullptr
                           ? newest
                           : Memory::visible(newest, curtain->sequence_, curtain->persisted_);
  if (seen != nullptr) {
    seen->touch();
    return seen->content();
  }
  return index_->snapshot_->get(key, ReadMode::kMemoryOnly, scratch);
}

uint64_t ReadGuard::applied() const {
  const Progress& progress = index_->progress_;
  return progress.curtain == nullptr ? progress.applied : progress.curtain->applied();
}

WriteSlice::WriteSlice(Index& owner) : index_(&owner) {
  ALF_CHECK_MSG(!index_->progress_.is_slice_open, "one slice at a time");
  index_->lock_.lock();
  index_->progress_.is_slice_open = true;
  if (index_->progress_.seen_views_version != index_->views_version_.load()) {
    index_->refresh_held();
  }
}

WriteSlice::~WriteSlice() {
  if (index_ == nullptr) return;
  index_->progress_.is_slice_open = false;
  index_->lock_.unlock();
}

void WriteSlice::publish(std::span<const Mutation> mutations, uint64_t applied) {
  Memory& memory = *index_->memory_;
  Progress& progress = index_->progress_;
  ALF_CHECK_MSG(applied >= progress.applied, "applied never goes back");
  progress.applied = applied;
  ++progress.sequence;
  int64_t growth = 0;
  // Hashes first, a few at a time, so that the table's memory is under way when it is needed.
  constexpr size_t kAhead = 16;
  std::array<uint64_t, kAhead> hashes;
  for (size_t begin = 0; begin < mutations.size(); begin += kAhead) {
    const auto some = mutations.subspan(begin, std::min(kAhead, mutations.size() - begin));
    for (size_t i = 0; i < some.size(); ++i) {
      hashes[i] = memory.hash(some[i].key);
      if (some.size() > 1) memory.prefetch(hashes[i]);
    }
    for (size_t i = 0; i < some.size(); ++i) {
      growth +=
          memory.put(some[i].key, hashes[i], some[i].value, progress.sequence, *index_->active_);
    }
  }
  index_->dirty_bytes_.fetch_add(static_cast<uint64_t>(growth), std::memory_order_relaxed);
  memory.maintain(mutations.size());
}

void WriteSlice::lift_curtain() {
  ALF_CHECK(index_->progress_.curtain != nullptr);
  index_->progress_.curtain.reset();
}

// ---- Opening and closing --------------------------------------------------------------

base::Result<std::unique_ptr<Index>> Index::open(Store& store, const env::Clock& clock,
                                                 Options options) {
  if (options.memory_budget_bytes < 2 * options.dirty_budget_bytes) {
    return base::Error{
        base::ErrorCode::kInvalidArgument,
        fmt::format("open index with memory_budget_bytes={} and dirty_budget_bytes={}: the memory "
                    "must hold two dirty parts, one of them frozen",
                    options.memory_budget_bytes, options.dirty_budget_bytes)};
  }
  return std::unique_ptr<Index>(new Index(store, clock, std::move(options)));
}

Index::Index(Store& store, const env::Clock& clock, Options options)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      memory_(std::make_unique<Memory>(options_.memory_budget_bytes, options_.hash_seed)),
      active_(std::make_shared<Run>(0, options_.ordered_kinds)),
      snapshot_(store.snapshot()),
      persisted_applied_(store.persisted_applied()) {
  progress_.applied = persisted_applied();
  began_empty_ = persisted_applied() == 0;
  warm_up_.from = Bytes(1, options_.warm_kind);
  warm_up_.is_over = began_empty_ || options_.warm_kind == kStoreKind;
}

bool Index::holds_all(ByteView key) const {
  if (memory_->eviction_count() > 0) return false;
  return began_empty_ || (warm_up_.is_whole && key.front() == options_.warm_kind);
}

Index::~Index() { ALF_CHECK_MSG(view_count() == 0, "the index outlives its views"); }

// ---- Apply strand ---------------------------------------------------------------------

base::Result<std::optional<ByteView>> Index::get_for_write(ByteView key, Bytes& scratch,
                                                           ReadMode mode) {
  const uint64_t hash = memory_->hash(key);
  if (Record* record = memory_->find(key, hash); record != nullptr) {
    record->touch();
    return record->content();
  }
  if (holds_all(key)) return std::optional<ByteView>();
  if (progress_.is_slice_open) mode = ReadMode::kMemoryOnly;
  ALF_TRY(const std::optional<ByteView> found, snapshot_->get(key, mode, scratch));
  std::unique_lock guard(lock_, std::defer_lock);
  if (!progress_.is_slice_open) {
    guard.lock();
    if (progress_.seen_views_version != views_version_.load()) refresh_held();
  }
  ++progress_.store_read_count;
  if (found) {
    memory_->insert_clean(key, hash, found);
    memory_->maintain(1);
  }
  return found;
}

uint64_t Index::prefetch(ByteView key) const {
  const uint64_t hash = memory_->hash(key);
  memory_->prefetch(hash);
  return hash;
}

void Index::prefetch_record(uint64_t number) const { memory_->prefetch_record(number); }

uint64_t ReadGuard::prefetch(ByteView key) const { return index_->prefetch(key); }

void ReadGuard::prefetch_record(uint64_t number) const { index_->prefetch_record(number); }

void Index::write(std::span<const Mutation> mutations, uint64_t applied) {
  begin_slice().publish(mutations, applied);
}

void Index::draw_curtain() {
  ALF_CHECK(!progress_.is_slice_open && progress_.curtain == nullptr);
  std::shared_ptr<View> view = open_view();
  const std::unique_lock guard(lock_);
  progress_.curtain = std::move(view);
}

bool Index::can_freeze() const { return frozen_ == nullptr && store_.can_ingest(); }

bool Index::wants_freeze() const {
  return dirty_bytes() >= options_.dirty_budget_bytes && can_freeze();
}

bool Index::is_overfull() const {
  return dirty_bytes() >= options_.dirty_budget_bytes &&
         (frozen_ != nullptr || !store_.can_ingest());
}

bool Index::is_nearly_full() const {
  return dirty_bytes() >= options_.dirty_budget_bytes - options_.dirty_budget_bytes / 4;
}

bool Index::has_dirty() const { return active_->record_count() > 0; }

std::unique_ptr<FreezeJob> Index::freeze(uint64_t applied) {
  ALF_CHECK_MSG(frozen_ == nullptr, "one freeze at a time");
  ALF_CHECK(!progress_.is_slice_open && progress_.curtain == nullptr);
  ALF_CHECK_MSG(applied >= progress_.applied, "applied never goes back");
  auto next = std::make_shared<Run>(progress_.sequence, options_.ordered_kinds);
  const std::unique_lock guard(lock_);
  active_->close(progress_.sequence);
  frozen_ = std::exchange(active_, std::move(next));
  progress_.applied = applied;
  progress_.frozen_bytes = dirty_bytes_.exchange(0);
  refresh_held();
  return std::unique_ptr<FreezeJob>(new FreezeJob(store_, frozen_, applied));
}

void Index::finish(FreezeJob& job) {
  ALF_CHECK_MSG(job.is_ingested_, "only what is in the Store is clean");
  ALF_CHECK(job.frozen_ == frozen_);
  ALF_CHECK(!progress_.is_slice_open && progress_.curtain == nullptr);
  std::shared_ptr<const StoreSnapshot> snapshot = store_.snapshot();
  const std::unique_lock guard(lock_);
  snapshot_.swap(snapshot);
  progress_.persisted = frozen_->high();
  progress_.frozen_bytes = 0;
  ++progress_.freeze_count;
  frozen_.reset();
  refresh_held();
  persisted_applied_.store(ALF_MUTANT(PersistedSaidTooHigh) ? progress_.applied : job.applied_,
                           std::memory_order_release);
}

// What open views and the freeze hold. Views cannot be opened meanwhile (they need the shared
// lock); those that close meanwhile are seen the next time.
void Index::refresh_held() {
  HeldBounds held;
  held.active_low = active_->low();
  held.persisted = progress_.persisted;
  if (frozen_ != nullptr) held.runs.push_back({progress_.persisted, frozen_->high()});
  const std::lock_guard views_guard(views_mutex_);
  progress_.seen_views_version = views_version_.load();
  held.view_sequences.reserve(views_.size());
  for (const View* view : views_) {
    held.view_sequences.push_back(view->sequence_);
    const HeldBounds::Interval run{view->persisted_, view->active_->high()};
    if (std::find(held.runs.begin(), held.runs.end(), run) == held.runs.end()) {
      held.runs.push_back(run);
    }
  }
  memory_->set_held(std::move(held));
}

void Index::check_invariants() const {
  const std::shared_lock guard(lock_);
  memory_->check_invariants(*active_);
  ALF_CHECK(active_->low() <= progress_.sequence);
  ALF_CHECK(progress_.persisted <= active_->low());
  ALF_CHECK(frozen_ != nullptr || progress_.persisted == active_->low());
  ALF_CHECK(frozen_ == nullptr || frozen_->high() == active_->low());
  ALF_CHECK(persisted_applied() <= progress_.applied);
  const std::lock_guard views_guard(views_mutex_);
  uint64_t sequence = 0;
  for (const View* view : views_) {
    ALF_CHECK(view->sequence_ >= sequence);
    ALF_CHECK(view->persisted_ <= view->sequence_);
    sequence = view->sequence_;
  }
}

// ---- Any thread -----------------------------------------------------------------------

std::shared_ptr<View> Index::open_view() { return open_view(read()); }

// Under one shared lock, so that no publish, freeze or finish comes between the parts.
std::shared_ptr<View> Index::open_view(const ReadGuard& guard) {
  ALF_CHECK(guard.index_ == this);
  if (progress_.curtain != nullptr) return progress_.curtain;
  std::shared_ptr<View> view(new View(*this));
  view->opened_ns_ = clock_.monotonic_ns();
  view->sequence_ = ALF_MUTANT(ViewOlderThanTheRead) ? progress_.persisted : progress_.sequence;
  view->persisted_ = progress_.persisted;
  view->applied_ = progress_.applied;
  view->active_ = active_;
  view->frozen_ = frozen_;
  view->slot_count_ = active_->slot_count();
  view->snapshot_ = snapshot_;
  const std::lock_guard views_guard(views_mutex_);
  view->place_ = views_.insert(views_.end(), view.get());
  views_version_.fetch_add(1);
  return view;
}

void Index::close_view(View& view) noexcept {
  const std::lock_guard views_guard(views_mutex_);
  views_.erase(view.place_);
  views_version_.fetch_add(1);
}

uint64_t Index::filter_horizon() const {
  const std::lock_guard views_guard(views_mutex_);
  const uint64_t persisted = persisted_applied();
  if (ALF_MUTANT(FilterIgnoresViews)) return persisted;
  return views_.empty() ? persisted : std::min(persisted, views_.front()->applied_);
}

uint64_t Index::view_count() const {
  const std::lock_guard views_guard(views_mutex_);
  return views_.size();
}

uint64_t Index::oldest_view_ms() const {
  const std::lock_guard views_guard(views_mutex_);
  if (views_.empty()) return 0;
  const uint64_t now_ns = clock_.monotonic_ns();
  const uint64_t opened_ns = views_.front()->opened_ns_;
  return now_ns > opened_ns ? (now_ns - opened_ns) / 1'000'000 : 0;
}

uint64_t Index::memory_bytes() const {
  const std::shared_lock guard(lock_);
  return memory_->memory_bytes() + active_->memory_bytes() +
         (frozen_ != nullptr ? frozen_->memory_bytes() : 0);
}

Stats Index::stats() const {
  Stats stats;
  stats.memory_bytes = memory_bytes();
  stats.dirty_bytes = dirty_bytes();
  stats.view_count = view_count();
  stats.oldest_view_ms = oldest_view_ms();
  const std::shared_lock guard(lock_);
  stats.record_count = memory_->record_count();
  stats.older_version_count = memory_->older_count();
  stats.eviction_count = memory_->eviction_count();
  stats.frozen_bytes = progress_.frozen_bytes;
  stats.store_read_count = progress_.store_read_count;
  stats.freeze_count = progress_.freeze_count;
  stats.warmed_count = progress_.warmed_count;
  return stats;
}

}  // namespace alfheim::index
