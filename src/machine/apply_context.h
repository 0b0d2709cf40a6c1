// machine/apply_context: what a handler sees while an entry is applied.
//
// Private to the machine. Thread: apply strand. Lifetime: of one entry.
#pragma once

#include "command/context.h"
#include "machine/database_set.h"
#include "machine/machine.h"

namespace alfheim::machine {

class Machine::ApplyContext : public command::Context {
 public:
  ApplyContext(Machine& machine, const raft::Entry& entry, const PayloadHeader& header);

  types::Database& database() override { return database(selected_); }
  types::Database& database(base::DatabaseIndex index) override;
  void swap_databases(base::DatabaseIndex a, base::DatabaseIndex b) override;
  command::Limits limits() const override { return command::Limits{header_.string_bytes_max}; }
  uint64_t random() override;

  const PayloadHeader& header() const { return header_; }
  types::Database::Hands hands();
  const types::Moment& moment() const { return moment_; }
  types::ApplyPoint& point() { return point_; }
  // Which call comes next: its database, and whether its chance may not touch the count of
  // mutations, because other nodes do not run it.
  void start_call(base::DatabaseIndex selected, bool is_read);

 private:
  Machine& machine_;
  types::Moment moment_;
  types::ApplyPoint point_;
  PayloadHeader header_;
  base::DatabaseIndex selected_;
  bool is_read_ = false;
  uint64_t read_random_ = 0;
  DatabaseSet databases_;
};

}  // namespace alfheim::machine
