// machine/unclaimed_fragments: fragment entries whose command has not been applied yet.
//
// Until its command is applied no record refers to a fragment, so liveness alone would let
// its segment go, and the log's start would move past it (invariants I3, I4). The owner of
// the log's start asks first() and stays at or below it. A fragment can only be claimed by a
// command of its own term: a newer term forgets what is left.
//
// Thread: apply strand. Lifetime: of the machine. Bound: the fragments of one operation.
#pragma once

#include <optional>
#include <set>

#include "base/ids.h"
#include "types/key_record.h"

namespace alfheim::machine {

class UnclaimedFragments {
 public:
  // After a restart: the log was kept from here on, below what the index reflects, because
  // of fragments that may still be claimed.
  void restore(base::LogIndex first) { indexes_.insert(first); }
  void add(base::LogIndex index) { indexes_.insert(index); }
  void claim(const types::FragmentList& list) {
    if (indexes_.empty()) return;
    for (const vlog::ValueAddress& piece : list.pieces) indexes_.erase(piece.index);
    // What was restored stands for pieces that it came before.
    if (!list.pieces.empty()) {
      indexes_.erase(indexes_.begin(), indexes_.lower_bound(list.pieces.back().index));
    }
  }
  void start_term() { indexes_.clear(); }
  std::optional<base::LogIndex> first() const {
    if (indexes_.empty()) return std::nullopt;
    return *indexes_.begin();
  }

 private:
  std::set<base::LogIndex> indexes_;
};

}  // namespace alfheim::machine
