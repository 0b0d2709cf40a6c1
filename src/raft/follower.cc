// The follower: it answers, stores what its leader sends, and waits for silence.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace alfheim::raft {

using base::LogIndex;
using base::NodeId;
using base::Term;

void Node::become_follower(Term term, NodeId leader) {
  ALF_CHECK(term >= hard_state_.term);
  ALF_CHECK(leader != options_.id);
  leave_role();
  if (term > hard_state_.term) set_hard_state({term, NodeId{}});
  role_ = Follower{.leader = leader, .reads_forwarded = {}};
  reset_timer();
}

// Reads that the old role still owed are refused: whoever asked asks again.
void Node::leave_role() {
  if (auto* leader = std::get_if<Leader>(&role_)) return refuse_reads(*leader);
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr) return;
  for (const auto& [id, ticks] : follower->reads_forwarded) pending_.reads_refused.push_back(id);
  follower->reads_forwarded.clear();
}

// A leader of our own term has spoken.
void Node::follow(NodeId leader) {
  ALF_CHECK_MSG(!is_leader(), "two leaders in one term");
  promise();
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == NodeId{}) {
    become_follower(hard_state_.term, leader);
    return;
  }
  ALF_CHECK_MSG(follower->leader == leader, "two leaders in one term");
  timer_.elapsed_ticks = 0;
}

void Node::tick_follower() {
  // An answer that was lost would else be waited for as long as this leader leads.
  auto& reads = std::get<Follower>(role_).reads_forwarded;
  for (auto read = reads.begin(); read != reads.end();) {
    if (++read->second < options_.election_ticks) {
      ++read;
      continue;
    }
    pending_.reads_refused.push_back(read->first);
    read = reads.erase(read);
  }
  if (membership_.current().is_sole_voter(options_.id)) return campaign();  // nobody to wait for
  if (timer_.elapsed_ticks < timer_.timeout_ticks) return;
  if (may_campaign()) return campaign();
  // It may not stand for election, and does not follow a leader that it does not hear.
  std::get<Follower>(role_).leader = NodeId{};
}

void Node::on_append(const Message& message, const Append& append) {
  follow(message.from);
  if (append.previous < commit_) {
    // An old message, overtaken: what is committed agrees for certain.
    send_after_persist(message.from, AppendResponse{.match = commit_});
    return;
  }
  const std::optional<Term> held_term = log_.term_at(append.previous);
  const bool is_held = ALF_MUTANT(PreviousTermNotChecked) && held_term.has_value();
  if (held_term != append.previous_term && !is_held) {
    return reject_append(message.from, append);
  }
  const LogIndex end = append.previous.plus(append.entries.size());
  auto entry = append.entries.begin();
  while (entry != append.entries.end() && log_.term_at(entry->index) == entry->term &&
         !ALF_MUTANT(OldAppendTruncates)) {
    ++entry;
  }
  if (entry != append.entries.end() && entry->index <= log_.last()) {
    ALF_CHECK_MSG(entry->index > commit_, "a leader contradicts a committed entry");
    truncate_after(LogIndex{entry->index.value - 1});
  }
  for (; entry != append.entries.end(); ++entry) {
    take_entry(*entry);
  }
  // Behind `end` our log may hold entries that the leader does not have.
  commit_to(std::min(append.commit, ALF_MUTANT(CommitBeyondTheMatch) ? log_.last() : end));
  const LogIndex match = ALF_MUTANT(WholeLogAcknowledged) ? log_.last() : end;
  if (ALF_MUTANT(AcknowledgedBeforeItsSync)) send(message.from, AppendResponse{.match = match});
  send_after_persist(message.from, AppendResponse{.match = match});
}

void Node::take_entry(const Entry& entry) {
  const LogIndex index = log_.append(entry.term, entry.bytes().size());
  ALF_CHECK(index == entry.index);
  pending_.entries.push_back(entry);
  if (entry.kind != EntryKind::kConfiguration) return;
  base::Result<Configuration> configuration = decode_configuration(entry.bytes());
  ALF_CHECK_MSG(configuration.is_ok(), "is_well_formed() has decoded it");
  membership_.append(index, std::move(*configuration));
}

void Node::truncate_after(LogIndex index) {
  log_.truncate_after(index);
  if (!ALF_MUTANT(TruncatedStaysDurable)) durability_.truncated_after(index);
  membership_.truncate_after(index);
  while (!pending_.entries.empty() && pending_.entries.back().index > index) {
    pending_.entries.pop_back();
  }
}

void Node::reject_append(NodeId leader, const Append& append) {
  const LogIndex hint = log_.last_with_term_at_most(append.previous, append.previous_term);
  send_answer(leader, AppendResponse{.is_rejected = true,
                                     .match = {},
                                     .rejected_previous = append.previous,
                                     .hint = hint,
                                     .hint_term = log_.term_at(hint).value_or(Term{})});
}

void Node::on_heartbeat(const Message& message, const Heartbeat& heartbeat) {
  if (heartbeat.commit > log_.last()) {
    // A leader only tells what we acknowledged: not a message of this protocol.
    ++messages_ignored_;
    return;
  }
  follow(message.from);
  commit_to(heartbeat.commit);
  const bool promises = options_.read_mode == ReadMode::kLease;
  send_answer(
      message.from,
      HeartbeatResponse{.round = heartbeat.round,
                        .promise_ms = promises ? options_.election_ticks * options_.tick_ms : 0});
}

base::Status Node::forward_read(ReadId id) {
  auto& follower = std::get<Follower>(role_);
  if (follower.leader == NodeId{}) {
    return base::Error{base::ErrorCode::kUnavailable, "ask for a read index: no leader is known"};
  }
  if (follower.reads_forwarded.size() >= options_.reads_waiting_max) {
    return base::Error{base::ErrorCode::kLimit,
                       "ask the leader for a read index: too many reads wait for an answer"};
  }
  const bool is_new = follower.reads_forwarded.emplace(id, 0).second;
  ALF_CHECK_MSG(is_new, "a ReadId was used twice");
  send(follower.leader, ReadRequest{.incarnation = incarnation_, .id = id});
  return base::ok();
}

void Node::on_read_response(const Message& message, const ReadResponse& response) {
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != message.from) return;
  // Asked in an earlier life of this node.
  if (response.incarnation != incarnation_ && !ALF_MUTANT(ReadOfAnEarlierLife)) return;
  if (follower->reads_forwarded.erase(response.id) == 0) return;  // doubled, or refused meanwhile
  if (response.is_granted) {
    pending_.reads.push_back({response.id, response.index});
  } else {
    pending_.reads_refused.push_back(response.id);
  }
}

void Node::on_transfer_now(const Message& message) {
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != message.from) return;
  follower->must_stand = true;
  obey_transfer();
}

// A leader that left the group says it once, often just before its heir has applied that. The
// order holds as long as the heir follows in the same term.
void Node::obey_transfer() {
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->must_stand || !may_campaign()) return;
  start_election(false, true);
}

}  // namespace alfheim::raft
