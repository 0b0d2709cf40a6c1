// raft/log_shape: what Raft knows of its log: where it starts and ends, which terms, and how
// large the newest entries are.
//
// Owns no payload. Terms are kept as runs, so a log of millions of entries is a few words.
// Sizes are kept for entries appended in this life that are not committed, and for the
// last kSizesKept others, so that messages to peers can be measured.
//
// Thread: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "raft/ready.h"

namespace alfheim::raft {

class LogShape {
 public:
  static constexpr size_t kSizesKept = 4096;

  explicit LogShape(const RestoredState& state);

  base::LogIndex first() const { return first_; }
  base::LogIndex last() const { return last_; }
  base::Term last_term() const { return runs_.empty() ? previous_term_ : runs_.back().term; }
  // Of any entry from first() - 1 to last().
  std::optional<base::Term> term_at(base::LogIndex index) const;
  // The last entry at or below `index` whose term is <= `term`; first() - 1 where none is.
  base::LogIndex last_with_term_at_most(base::LogIndex index, base::Term term) const;

  base::LogIndex append(base::Term term, uint64_t bytes);
  void truncate_after(base::LogIndex index);
  void start_at(base::LogIndex first);
  // Entries up to here are committed: their sizes need not be kept.
  void commit_to(base::LogIndex index);

  uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }
  // Size of an entry; nothing where it is not known any more.
  std::optional<uint64_t> bytes_at(base::LogIndex index) const;

  void check_invariants() const;

 private:
  base::LogIndex first_;
  base::Term previous_term_;
  base::LogIndex last_;
  std::vector<TermRun> runs_;   // sorted; the first one begins at first_
  std::deque<uint64_t> sizes_;  // of the entries up to last_
  base::LogIndex commit_;
  uint64_t uncommitted_bytes_ = 0;
};

}  // namespace alfheim::raft
