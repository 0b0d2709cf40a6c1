#include "sim/raft_safety.h"

#include <algorithm>
#include <utility>

#include "base/format.h"

namespace alfheim::sim {

using base::LogIndex;
using base::Term;

namespace {

// A change of a log shows at its end; now and then all of it is looked at.
constexpr uint64_t kWholeLogEveryLooks = 256;

}  // namespace

void RaftSafety::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

void RaftSafety::look(const raft::Node& node, uint64_t life) {
  const raft::SoftState role = node.soft_state();
  look({.member = node.id(),
        .life = life,
        .is_leader = role.role == raft::RoleKind::kLeader,
        .term = role.term,
        .first = node.log_first(),
        .last = node.log_last(),
        .commit = node.committed()},
       [&node](LogIndex index) { return node.term_at(index); });
}

void RaftSafety::look(const Sight& sight, TermAt term_at) {
  Member& member = members_[sight.member];
  if (member.life != sight.life) {
    // What was not durable may be gone.
    member.life = sight.life;
    member.led = {};
    member.commit = {};
    member.looks = 0;
  }
  look_at_log(member, sight, term_at);
  look_at_commit(member, sight, term_at);
  look_at_leader(member, sight, term_at);
}

void RaftSafety::look_at_log(Member& member, const Sight& sight, TermAt term_at) {
  const bool looks_at_all = member.looks++ % kWholeLogEveryLooks == 0;
  const uint64_t last = sight.last.value;
  const uint64_t before = member.log.size();
  const auto held = [&](uint64_t index) { return term_at(LogIndex{index}); };
  if (!looks_at_all && last == before && (last == 0 || held(last) == member.log.back())) return;
  if (sight.is_leader && member.led == sight.term &&
      (last < before || (before > 0 && held(before) != member.log.back()))) {
    return fail(
        base::format("node {} leads in term {} and took away from its log: it ended at {}, "
                     "now at {}",
                     sight.member.value, sight.term.value, before, last));
  }
  // From the end back to where it agrees with what was seen.
  member.log.resize(last);
  for (uint64_t index = last; index >= std::max<uint64_t>(1, sight.first.value); --index) {
    const std::optional<Term> term = held(index);
    const std::optional<Term> previous = held(index - 1);
    if (!term || !previous || *term < *previous) {
      return fail(base::format("node {}: no term, or one that falls, at entry {}",
                               sight.member.value, index));
    }
    if (!looks_at_all && index <= before && member.log[index - 1] == *term) return;
    member.log[index - 1] = *term;
    std::optional<Term>& known = seen(LogIndex{index}, *term).previous;
    if (known && *known != *previous) {
      return fail(
          base::format("two logs hold entry {} of term {}: before it stands term {} in "
                       "one, term {} in that of node {}",
                       index, term->value, known->value, previous->value, sight.member.value));
    }
    known = previous;
  }
}

void RaftSafety::look_at_leader(Member& member, const Sight& sight, TermAt term_at) {
  if (!sight.is_leader || member.led == sight.term) return;
  member.led = sight.term;
  const auto [place, is_new] = leaders_.emplace(sight.term, Leader{sight.member, sight.life});
  if (!is_new) {
    return fail(base::format("nodes {} and {} both lead in term {}", place->second.member.value,
                             sight.member.value, sight.term.value));
  }
  // What a later term's leader has committed it need not know.
  const auto first_later =
      std::partition_point(committed_.begin(), committed_.end(),
                           [&](const Committed& committed) { return committed.in <= sight.term; });
  const LogIndex index{static_cast<uint64_t>(first_later - committed_.begin())};
  if (index.next() < sight.first || index.value == 0) return;
  const std::optional<Term> held = term_at(index);
  if (held && *held == committed_[index.value - 1].term) return;
  fail(base::format("node {} leads in term {} without the committed entry {} of term {}",
                    sight.member.value, sight.term.value, index.value,
                    committed_[index.value - 1].term.value));
}

void RaftSafety::look_at_commit(Member& member, const Sight& sight, TermAt term_at) {
  if (sight.commit < member.commit) {
    return fail(base::format("node {}: what is committed went back from {} to {}",
                             sight.member.value, member.commit.value, sight.commit.value));
  }
  if (sight.commit == member.commit) return;
  // What lies before its log it has not seen itself.
  LogIndex index{std::max(member.commit.value + 1, std::max<uint64_t>(1, sight.first.value) - 1)};
  if (index.value == 0) index = LogIndex{1};
  member.commit = sight.commit;
  for (; index <= sight.commit; index = index.next()) {
    const std::optional<Term> term = term_at(index);
    if (!term) {
      return fail(
          base::format("node {} has no committed entry {}", sight.member.value, index.value));
    }
    if (index.value > committed_.size() + 1) {
      return fail(
          base::format("node {} has entry {} committed, of which nobody knew the one before",
                       sight.member.value, index.value));
    }
    if (index.value == committed_.size() + 1) {
      committed_.push_back({*term, sight.term});
      continue;
    }
    if (committed_[index.value - 1].term == *term) continue;
    return fail(base::format("entry {} is committed with term {}, and by node {} with term {}",
                             index.value, committed_[index.value - 1].term.value,
                             sight.member.value, term->value));
  }
}

void RaftSafety::note_content(LogIndex index, Term term, uint64_t hash) {
  std::optional<uint64_t>& known = seen(index, term).hash;
  if (known && *known != hash) {
    return fail(base::format("entry {} of term {} has two contents", index.value, term.value));
  }
  known = hash;
}

}  // namespace alfheim::sim
