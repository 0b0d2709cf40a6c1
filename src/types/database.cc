#include "types/database.h"

#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace alfheim::types {

using base::ByteView;

uint64_t ApplyPoint::random() {
  // The index stands in the mix too: a replayed seed of another entry must not repeat it.
  base::Bytes input;
  base::put_u64(input, index.value);
  base::put_u32(input, mutation_count++);
  return base::hash64(input, seed);
}

FoundKey::FoundKey(FoundKey&& other) noexcept { *this = std::move(other); }

FoundKey& FoundKey::operator=(FoundKey&& other) noexcept {
  if (this == &other) return *this;
  // A short string moves with its object, so the body is found again by its place.
  const size_t body_bytes = other.record.body.size();
  record_bytes = std::move(other.record_bytes);
  record = other.record;
  record.body = ByteView(record_bytes).substr(record_bytes.size() - body_bytes);
  other.record_bytes.clear();
  other.record.body = {};
  return *this;
}

Database::Database(const Hands& hands, base::DatabaseIndex index, Moment moment)
    : hands_(hands), index_(index), moment_(moment) {
  ALF_CHECK(index.value < base::kDatabaseCount);
  ALF_CHECK((hands.sink != nullptr) == (hands.writable_table != nullptr));
  ALF_CHECK((hands.sink != nullptr) == (hands.point != nullptr));
  if (is_writable()) {
    ALF_CHECK(hands.writable_table == &hands.table);
    ALF_CHECK(moment.log_time == moment.clock);
  }
}

ApplyPoint& Database::point() {
  ALF_CHECK(is_writable());
  return *hands_.point;
}

DatabaseEntry& Database::entry() {
  ALF_CHECK(is_writable());
  return hands_.writable_table->at(index_);
}

Epoch Database::epoch() const { return hands_.table.at(index_).epoch; }
uint64_t Database::key_count() const { return hands_.table.at(index_).key_count; }
uint64_t Database::deadline_count() const { return hands_.table.at(index_).deadline_count; }

}  // namespace alfheim::types
