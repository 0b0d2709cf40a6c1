// sim/raft_safety: Raft's five safety properties, over all members of a group.
//
// Looks at the members' cores after each event and remembers, by index and term, what it has
// seen; the first contradiction is a sentence. It knows no clients and no state machine:
//   - election safety: one node, in one life, leads in a term;
//   - leader append-only: who leads takes nothing away from its log;
//   - log matching: an entry of one index and term has one content, and one term before it;
//   - leader completeness: who leads holds what was committed in its term or an earlier one;
//   - state machine safety: an index is committed with one term only, and stays so. (That nobody
//     applies what is not committed, sim/oracle adds.)
// (Figure 3 of "In Search of an Understandable Consensus Algorithm", Ongaro and Ousterhout, 2014.)
//
// Thread: one. Lifetime: of one run.
#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raft/node.h"

namespace alfheim::sim {

class RaftSafety {
 public:
  // One member's log as its core sees it, durable or not.
  struct Sight {
    base::NodeId member;
    uint64_t life = 0;  // of its process; never the same twice in a run
    bool is_leader = false;
    base::Term term;
    base::LogIndex first;
    base::LogIndex last;
    base::LogIndex commit;
  };
  // From first - 1 to last.
  using TermAt = absl::FunctionRef<std::optional<base::Term>(base::LogIndex)>;

  void look(const Sight& sight, TermAt term_at);
  void look(const raft::Node& node, uint64_t life);
  // That content was sent, or applied, as this entry.
  void note_content(base::LogIndex index, base::Term term, uint64_t hash);

  bool has_failed() const { return !failure_.empty(); }
  const std::string& failure() const { return failure_; }
  uint64_t committed_count() const { return committed_.size(); }

 private:
  struct Member {
    uint64_t life = 0;
    base::Term led;               // in which it was seen to lead; 0: none
    base::LogIndex commit;        // seen in this life
    std::vector<base::Term> log;  // terms, as it was seen last: of index 1 on, 0: unknown
    uint64_t looks = 0;
  };
  struct Leader {
    base::NodeId member;
    uint64_t life = 0;
  };
  // Of an entry that some log held.
  struct Seen {
    std::optional<base::Term> previous;
    std::optional<uint64_t> hash;
  };
  struct Committed {
    base::Term term;
    base::Term in;  // the term in which it was seen to be committed first
  };

  void fail(std::string what);
  void look_at_log(Member& member, const Sight& sight, TermAt term_at);
  void look_at_leader(Member& member, const Sight& sight, TermAt term_at);
  void look_at_commit(Member& member, const Sight& sight, TermAt term_at);
  Seen& seen(base::LogIndex index, base::Term term) { return seen_[{index, term}]; }

  std::map<base::NodeId, Member> members_;
  std::map<base::Term, Leader> leaders_;
  std::map<std::pair<base::LogIndex, base::Term>, Seen> seen_;
  std::vector<Committed> committed_;  // the entry of index i at i - 1
  std::string failure_;
};

}  // namespace alfheim::sim
