// machine/database_set: the databases that one command, or one entry, has touched.
//
// Nearly always there is one; so the first lies here, and only further ones (COPY, MOVE,
// clients of several databases in one entry) are made apart. References stay good.
//
// Thread: the owner's. Lifetime: of the owner.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "types/database.h"

namespace alfheim::machine {

class DatabaseSet {
 public:
  types::Database* find(base::DatabaseIndex index) {
    ALF_CHECK(index.value < base::kDatabaseCount);
    if (first_ && first_->index() == index) return &*first_;
    for (const auto& database : others_) {
      if (database->index() == index) return database.get();
    }
    return nullptr;
  }
  // It must not be there yet.
  types::Database& add(const types::Database::Hands& hands, base::DatabaseIndex index,
                       types::Moment moment) {
    if (!first_) return first_.emplace(hands, index, moment);
    return *others_.emplace_back(std::make_unique<types::Database>(hands, index, moment));
  }
  // Of all that were touched.
  types::Lookups lookups() const {
    types::Lookups sum;
    if (first_) sum = first_->lookups();
    for (const auto& database : others_) {
      sum.hits += database->lookups().hits;
      sum.misses += database->lookups().misses;
    }
    return sum;
  }

 private:
  std::optional<types::Database> first_;
  std::vector<std::unique_ptr<types::Database>> others_;
};

}  // namespace alfheim::machine
