#include "server/transaction_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/number.h"

namespace alfheim::server {

void TransactionQueue::open(base::DatabaseIndex selected) {
  ALF_CHECK(!is_open_);
  is_open_ = true;
  has_failed_ = false;
  database_ = selected;
}

void TransactionQueue::add(std::span<const base::ByteView> words, const command::Row& row) {
  ALF_CHECK(is_open_);
  flags_ |= row.flags;
  if (!row.is_session()) return block_.calls.add(machine::CallView{database_, words});
  QueuedCommand& queued = block_.session_commands.emplace_back(
      QueuedCommand{OwnedRequest(words), &row, block_.command_count()});
  session_command_bytes_ += queued.request.size_bytes();
  if (row.name != "select") return;
  // A SELECT that will fail moves nothing: its own error reply says so at EXEC.
  const std::optional<int64_t> index = base::parse_int64(words[1]);
  if (index && *index >= 0 && *index < base::kDatabaseCount) {
    database_ = base::DatabaseIndex{static_cast<uint32_t>(*index)};
  }
}

QueuedBlock TransactionQueue::take() {
  ALF_CHECK(is_open_);
  QueuedBlock taken;
  std::swap(taken, block_);
  discard();
  return taken;
}

void TransactionQueue::discard() {
  QueuedBlock gone;  // clear would keep the memory of a million commands
  std::swap(gone, block_);
  session_command_bytes_ = 0;
  flags_ = 0;
  is_open_ = false;
  has_failed_ = false;
}

void TransactionQueue::watch(const machine::Watch& watch, base::Bytes record_key) {
  const auto [place, is_new] =
      places_[watch.database.value].try_emplace(watch.key, watches_.size());
  if (!is_new) return;
  if (flag_ == nullptr) flag_ = std::make_shared<std::atomic<bool>>(false);
  table_.watch(record_key, flag_);
  watches_.push_back(Watched{watch, std::move(record_key), false});
  watched_bytes_ += bytes_of(watches_.back());
}

void TransactionQueue::set_versions(std::vector<machine::Watch> versions) {
  for (const machine::Watch& version : versions) {
    Watched* watched = find(version.database, version.key);
    // Watched again: what counts is how the key was at first.
    if (watched == nullptr || watched->has_version) continue;
    watched->has_version = true;
    watched->watch.version = version.version;
    // Its version tells all that the table could; a key that was missing has none.
    if (version.version != base::LogIndex{}) table_.forget(watched->record_key, flag_);
  }
}

void TransactionQueue::forget_unversioned() {
  for (const Watched& watched : watches_) {
    if (watched.has_version) continue;
    table_.forget(watched.record_key, flag_);
    watched_bytes_ -= bytes_of(watched);
  }
  std::erase_if(watches_, [](const Watched& watched) { return !watched.has_version; });
  places_.clear();
  for (size_t i = 0; i < watches_.size(); ++i) {
    const machine::Watch& watch = watches_[i].watch;
    places_[watch.database.value].emplace(watch.key, i);
  }
}

// The key stands here three times and once more in the table of watches.
size_t TransactionQueue::bytes_of(const Watched& watched) {
  return sizeof(Watched) + sizeof(Places::value_type) + 4 * watched.record_key.size();
}

TransactionQueue::Watched* TransactionQueue::find(base::DatabaseIndex database,
                                                  base::ByteView key) {
  const auto places = places_.find(database.value);
  if (places == places_.end()) return nullptr;
  const auto place = places->second.find(key);
  return place == places->second.end() ? nullptr : &watches_[place->second];
}

bool TransactionQueue::is_watching(base::DatabaseIndex database, base::ByteView key) {
  const Watched* watched = find(database, key);
  return watched != nullptr && watched->has_version;
}

bool TransactionQueue::is_touched() const {
  return flag_ != nullptr && flag_->load(std::memory_order_acquire);
}

std::vector<machine::Watch> TransactionQueue::watches() const {
  std::vector<machine::Watch> result;
  result.reserve(watches_.size());
  for (const Watched& watched : watches_) result.push_back(watched.watch);
  return result;
}

void TransactionQueue::unwatch() {
  for (const Watched& watched : watches_) table_.forget(watched.record_key, flag_);
  watches_ = std::vector<Watched>();  // not clear, which keeps the memory
  places_ = absl::flat_hash_map<uint32_t, Places>();
  watched_bytes_ = 0;
  flag_ = nullptr;
}

}  // namespace alfheim::server
