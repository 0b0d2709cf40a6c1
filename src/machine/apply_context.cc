#include "machine/apply_context.h"

#include "base/check.h"

namespace alfheim::machine {

Machine::ApplyContext::ApplyContext(Machine& machine, const raft::Entry& entry,
                                    const PayloadHeader& header)
    : machine_(machine),
      moment_{machine.state_.log_time, machine.state_.log_time},
      header_(header),
      read_random_(entry.seed) {
  point_.index = entry.index;
  point_.seed = entry.seed;
  point_.value_threshold_bytes = header.value_threshold_bytes;
}

types::Database::Hands Machine::ApplyContext::hands() {
  return types::Database::Hands{.records = machine_.transaction_,
                                .values = machine_.values_,
                                .table = machine_.state_.databases,
                                .sink = &machine_.transaction_,
                                .writable_table = &machine_.state_.databases,
                                .point = &point_};
}

types::Database& Machine::ApplyContext::database(base::DatabaseIndex index) {
  if (types::Database* database = databases_.find(index)) return *database;
  return databases_.add(hands(), index, moment_);
}

void Machine::ApplyContext::swap_databases(base::DatabaseIndex a, base::DatabaseIndex b) {
  ALF_CHECK(!is_read_);
  if (a == b) return;
  types::DatabaseTable& table = machine_.state_.databases;
  table.swap(a, b);
  table.at(a).last_swap = point_.index;
  table.at(b).last_swap = point_.index;
}

uint64_t Machine::ApplyContext::random() {
  if (!is_read_) return point_.random();
  read_random_ = read_random_ * 6364136223846793005ull + 1442695040888963407ull;
  return read_random_ ^ (read_random_ >> 29);
}

void Machine::ApplyContext::start_call(base::DatabaseIndex selected, bool is_read) {
  ALF_CHECK(selected.value < base::kDatabaseCount);
  selected_ = selected;
  is_read_ = is_read;
}

}  // namespace alfheim::machine
