#include "sim/model.h"

#include <xxhash.h>

#include <optional>

#include "base/check.h"
#include "base/slot.h"

namespace alfheim::sim {

using base::Bytes;
using base::ByteView;

namespace {

// Format: see the plate.
constexpr size_t kDueRecordsPerEntryMax = 64;
constexpr uint64_t kStringType = 0;
constexpr uint64_t kDatabaseEnd = UINT64_MAX;

class Xxh3 {
 public:
  Xxh3() : state_(XXH3_createState()) {
    ALF_CHECK(state_ != nullptr);
    XXH3_64bits_reset(state_);
  }
  ~Xxh3() { XXH3_freeState(state_); }
  Xxh3(const Xxh3&) = delete;
  Xxh3& operator=(const Xxh3&) = delete;
  void add(ByteView bytes) { XXH3_64bits_update(state_, bytes.data(), bytes.size()); }
  void add(uint64_t value) {
    Bytes bytes;
    base::put_u64(bytes, value);
    add(ByteView(bytes));
  }
  uint64_t digest() const { return XXH3_64bits_digest(state_); }

 private:
  XXH3_state_t* state_;
};

}  // namespace

Model::Model() {
  Databases first;
  for (uint32_t& epoch : first.epochs) epoch = next_epoch_++;
  databases_.set(0, first);
  log_times_.set(0, 0);
}

void Model::begin_entry(uint64_t index, uint64_t stamp_ms) {
  ALF_CHECK(index > entry_index_);
  ALF_CHECK_MSG(stamp_ms >= log_time_ms_, "log time went back");
  ++position_;
  entry_index_ = index;
  log_time_ms_ = stamp_ms;
  log_times_.set(position_, stamp_ms);
  log_times_.trim(floor_);
  remove_due();
}

void Model::remove_due() {
  for (size_t taken = 0; taken < kDueRecordsPerEntryMax && !due_.empty();) {
    const Due first = *due_.begin();
    if (first.deadline_ms > log_time_ms_) return;
    if (is_live_epoch(first.name.epoch)) {
      erase(first.name);  // takes the record along
      ++taken;
    } else {
      due_.erase(due_.begin());  // of a flushed database: nobody's work
    }
  }
}

Model::KeyName Model::name_of(uint32_t database, ByteView key, uint64_t position) const {
  return KeyName{databases_.at(position)->epochs[database], base::key_slot(key), Bytes(key)};
}

bool Model::is_live_epoch(uint32_t epoch) const {
  const Databases& databases = *databases_.newest();
  return std::find(databases.epochs.begin(), databases.epochs.end(), epoch) !=
         databases.epochs.end();
}

const Model::KeyState* Model::state_at(const KeyName& name, uint64_t position) const {
  const auto found = keys_.find(name);
  if (found == keys_.end()) return nullptr;
  const KeyState* state = found->second.at(position);
  return state != nullptr && state->value ? state : nullptr;
}

const Model::KeyState* Model::live_at(uint32_t database, ByteView key, uint64_t position) const {
  const KeyState* state = state_at(name_of(database, key, position), position);
  if (state == nullptr) return nullptr;
  const bool is_dead = state->deadline_ms != 0 && state->deadline_ms <= *log_times_.at(position);
  return is_dead ? nullptr : state;
}

std::vector<const Model::Keys::value_type*> Model::live_keys(uint32_t database,
                                                             uint64_t position) const {
  std::vector<const Keys::value_type*> live;
  const uint32_t epoch = databases_.at(position)->epochs[database];
  const uint64_t log_time_ms = *log_times_.at(position);
  for (auto key = keys_.lower_bound(KeyName{epoch, 0, {}});
       key != keys_.end() && key->first.epoch == epoch; ++key) {
    const KeyState* state = key->second.at(position);
    if (state == nullptr || !state->value) continue;
    if (state->deadline_ms != 0 && state->deadline_ms <= log_time_ms) continue;
    live.push_back(&*key);
  }
  return live;
}

void Model::put(const KeyName& name, Value value, uint64_t deadline_ms) {
  const KeyState* old = state_at(name, position_);
  if (old != nullptr && old->deadline_ms != 0) due_.erase(Due{old->deadline_ms, name});
  if (old == nullptr) {
    History<uint64_t>& count = key_counts_[name.epoch];
    count.set(position_, (count.newest() == nullptr ? 0 : *count.newest()) + 1);
    count.trim(floor_);
  }
  if (deadline_ms != 0) due_.insert(Due{deadline_ms, name});
  History<KeyState>& history = keys_[name];
  history.set(position_, KeyState{std::move(value), deadline_ms, entry_index_});
  history.trim(floor_);
}

void Model::put(uint32_t database, ByteView key, Bytes value, uint64_t deadline_ms) {
  put(name_of(database, key), std::make_shared<const Bytes>(std::move(value)), deadline_ms);
}

bool Model::erase(const KeyName& name) {
  const KeyState* old = state_at(name, position_);
  if (old == nullptr) return false;
  const bool was_alive = old->deadline_ms == 0 || old->deadline_ms > log_time_ms_;
  if (old->deadline_ms != 0) due_.erase(Due{old->deadline_ms, name});
  History<uint64_t>& count = key_counts_[name.epoch];
  ALF_CHECK(count.newest() != nullptr && *count.newest() > 0);
  count.set(position_, *count.newest() - 1);
  count.trim(floor_);
  History<KeyState>& history = keys_[name];
  history.set(position_, KeyState{});
  history.trim(floor_);
  return was_alive;
}

void Model::set_epochs(const Databases& databases) {
  databases_.set(position_, databases);
  databases_.trim(floor_);
}

uint64_t Model::version(uint32_t database, ByteView key, uint64_t position) const {
  const KeyState* state = live_at(database, key, position);
  if (state == nullptr) return 0;
  // A swap writes every key of both databases, to those who watch them.
  return std::max(state->last_write, databases_.at(position)->last_swaps[database]);
}

bool Model::is_touched(uint32_t database, ByteView key, uint64_t after, uint64_t until) const {
  // The key as its database was named at any time between: flushes and swaps may lie there.
  std::optional<uint32_t> looked_at;
  for (uint64_t position = after; position <= until; ++position) {
    const uint32_t epoch = databases_.at(position)->epochs[database];
    if (looked_at == epoch) continue;
    looked_at = epoch;
    const auto found = keys_.find(name_of(database, key, position));
    if (found != keys_.end() && found->second.is_set_within(after, until)) return true;
  }
  return false;
}

uint64_t Model::key_count(uint32_t database, uint64_t position) const {
  const auto found = key_counts_.find(databases_.at(position)->epochs[database]);
  if (found == key_counts_.end()) return 0;
  const uint64_t* count = found->second.at(position);
  return count == nullptr ? 0 : *count;
}

uint64_t Model::logical_hash(uint64_t position) const {
  Xxh3 hash;
  for (uint32_t database = 0; database < base::kDatabaseCount; ++database) {
    for (const Keys::value_type* key : live_keys(database, position)) {
      const KeyState& state = *key->second.at(position);
      hash.add(uint64_t{key->first.key.size()});
      hash.add(ByteView(key->first.key));
      hash.add(kStringType);
      hash.add(state.deadline_ms);
      hash.add(uint64_t{state.value->size()});
      hash.add(ByteView(*state.value));
    }
    hash.add(kDatabaseEnd);
  }
  return hash.digest();
}

std::vector<Bytes> Model::keys(uint32_t database, uint64_t position) const {
  std::vector<Bytes> names;
  for (const Keys::value_type* key : live_keys(database, position)) {
    names.push_back(key->first.key);
  }
  return names;
}

}  // namespace alfheim::sim
