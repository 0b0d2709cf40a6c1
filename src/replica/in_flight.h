// replica/in_flight: entries from their proposal, or their arrival, until they go to apply, and
// who waits for them.
//
// A waiter is bound to an index *and a term*. That another leader's entry took its place here
// proves nothing: a third leader may have kept it, and bring it back (Raft, figure 8). Only a later
// term's entry that is *committed*, without it, proves that it was not applied and never will be:
// every later leader holds that entry, and terms never fall along a log.
//
// Thread: the core strand. Lifetime: of the replica.
#pragma once

#include <deque>
#include <vector>

#include "replica/applier.h"
#include "replica/batcher.h"

namespace alfheim::replica {

class InFlight {
 public:
  // Given to raft at this place; it comes back in the next Ready.
  void proposed(base::LogIndex index, base::Term term, Batch& batch);
  // The entries of a Ready, in the place of what stood there and behind.
  void take_up(const std::vector<raft::Entry>& entries);
  // Those up to `index`, which are committed, to be applied.
  std::vector<CommittedEntry> take_until(base::LogIndex index);
  // Those that will never be applied.
  std::vector<CommittedEntry> take_refuted();
  bool is_empty() const { return entries_.empty() && proposed_.empty() && displaced_.empty(); }
  // Everybody who waits for log time only.
  std::vector<ReplyTo> take_followers();
  // Everybody; they go on waiting.
  std::vector<ReplyTo> all_waiters() const;
  // All of it: the node gives up.
  std::vector<CommittedEntry> take_all();

 private:
  struct Proposed {
    base::LogIndex index;
    base::Term term;
    std::vector<ReplyTo> waiters;
    std::vector<ReplyTo> followers;
  };
  std::deque<Proposed> proposed_;          // not yet in a Ready
  std::deque<CommittedEntry> entries_;     // one run
  std::vector<CommittedEntry> displaced_;  // that somebody waits for
  std::vector<CommittedEntry> refuted_;
};

}  // namespace alfheim::replica
