#include "sim/oracle.h"

#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/text.h"

namespace alfheim::sim {

using base::Bytes;
using base::ByteView;

namespace {

constexpr size_t kShownBytesMax = 80;
constexpr uint64_t kStateHashEveryEntries = 8;

std::string shown(ByteView bytes) {
  std::string text = base::to_quoted(bytes.substr(0, kShownBytesMax));
  if (bytes.size() > kShownBytesMax) text += base::format("... ({} bytes)", bytes.size());
  return text;
}

class Reading {
 public:
  explicit Reading(bool& flag) : flag_(flag), before_(std::exchange(flag, true)) {}
  ~Reading() { flag_ = before_; }

 private:
  bool& flag_;
  const bool before_;
};

uint64_t body_identity(ByteView body) { return base::hash64(body, 1); }

}  // namespace

uint64_t command_identity(uint32_t database, const Words& words) {
  const std::vector<ByteView> views(words.begin(), words.end());
  Bytes body;
  machine::put_call(body, machine::CallView{base::DatabaseIndex{database}, views});
  return body_identity(body);
}

uint64_t block_identity(const std::vector<uint64_t>& calls) {
  Bytes bytes;
  for (const uint64_t call : calls) base::put_u64(bytes, call);
  return base::hash64(bytes, 2);
}

uint64_t state_hash_identity() { return base::hash64("state hash", 3); }

void Oracle::fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

void Oracle::start_life(const vlog::Log& log) {
  const Reading reading(is_reading_);
  lives_.erase(life_);
  ++life_;
  const uint64_t last = log.last_index().value;
  if (last < harvested_) {
    return fail(base::format("after a restart the log ends at entry {}, but {} was durable", last,
                             harvested_));
  }
  for (uint64_t index = log.first_index().value; index <= harvested_; ++index) {
    const base::Result<raft::Entry> entry = log.read_entry(base::LogIndex{index});
    if (!entry) {
      return fail(base::format("after a restart: {}", entry.error().message));
    }
    const EntryFacts& facts = entries_[index];
    if (entry->term.value != facts.term || base::hash64(entry->bytes()) != facts.hash) {
      return fail(base::format("after a restart entry {} is another one", index));
    }
  }
  harvest(log);
  lives_.erase(life_);
  lives_[life_];
  sent_.clear();
}

void Oracle::note_leader(uint64_t term, uint64_t node, uint64_t life, const vlog::Log& log) {
  const auto [place, is_new] = leaders_.emplace(term, Leadership{node, life});
  if (!is_new) {
    if (place->second.node != node || place->second.life != life) {
      fail(base::format("nodes {} and {} both lead in term {}", place->second.node, node, term));
    }
    return;
  }
  lives_[life];
  // Leader completeness: what was committed in earlier terms stands in its log. (One that wins an
  // election long after a later one was won has nothing to lose.)
  if (harvested_ == 0 || entries_[harvested_].term > term) return;
  const std::optional<base::Term> held = log.term_at(base::LogIndex{harvested_});
  if (!held || held->value != entries_[harvested_].term) {
    fail(base::format("node {} leads in term {} without the committed entry {}", node, term,
                      harvested_));
  }
}

void Oracle::end_life(uint64_t life) { lives_.erase(life); }

void Oracle::check_applied(const vlog::Log& log, uint64_t from, uint64_t until) {
  const Reading reading(is_reading_);
  for (uint64_t index = from; index <= until && !has_failed(); ++index) {
    const base::Result<raft::Entry> entry = log.read_entry(base::LogIndex{index});
    if (!entry && entry.error().code == base::ErrorCode::kIo) return;  // the disk went down
    if (!entry) return fail(base::format("read what is applied: {}", entry.error().message));
    if (index == harvested_ + 1) {
      take_entry(*entry);
      continue;
    }
    if (index > harvested_) return fail(base::format("entry {} was applied before it", index));
    const EntryFacts& facts = entries_[index];
    if (facts.term != entry->term.value || facts.hash != base::hash64(entry->bytes())) {
      fail(base::format("two nodes applied different entries at index {}", index));
    }
  }
}

void Oracle::harvest(const vlog::Log& log) {
  const Reading reading(is_reading_);
  const uint64_t last = log.last_index().value;
  while (harvested_ < last && !has_failed()) {
    const base::Result<raft::Entry> entry = log.read_entry(base::LogIndex{harvested_ + 1});
    // The disk went down within the very event that made it durable: the next life tells.
    if (!entry && entry.error().code == base::ErrorCode::kIo) return;
    if (!entry) return fail(base::format("read what is durable: {}", entry.error().message));
    take_entry(*entry);
  }
}

uint64_t Oracle::position_of_entry(uint64_t index) const {
  if (index == 0) return 0;
  ALF_CHECK(index < entries_.size());
  return entries_[index].position;
}

void Oracle::take_entry(const raft::Entry& entry) {
  ALF_CHECK(entry.index.value == harvested_ + 1);
  ++harvested_;
  entries_.resize(harvested_ + 1);
  if (entry.kind == raft::EntryKind::kFragment) fragments_[entry.index.value] = entry.payload;
  if (entry.kind == raft::EntryKind::kCommands) {
    if (entry.stamp.ms < model_.log_time_ms()) {
      return fail(base::format("the stamp of entry {} went back", entry.index.value));
    }
    model_.begin_entry(entry.index.value, entry.stamp.ms);
    if (narrate_) {
      narrate_(base::format("  entry {} stamp {}", entry.index.value, entry.stamp.ms));
    }
    base::Result<machine::PayloadReader> reader = machine::PayloadReader::open(entry.bytes());
    if (!reader) return fail(reader.error().message);
    while (reader->has_next() && !has_failed()) {
      const base::Result<machine::Operation> operation = reader->next();
      if (!operation) return fail(operation.error().message);
      take_operation(entry, *operation);
    }
  }
  EntryFacts& facts = entries_[harvested_];
  facts.term = entry.term.value;
  facts.hash = base::hash64(entry.bytes());
  facts.position = model_.position();
  if (!is_cluster_ || harvested_ % kStateHashEveryEntries != 0) return;
  state_hashes_[harvested_] = model_.logical_hash(model_.position());
}

std::optional<uint64_t> Oracle::state_hash_at(uint64_t entry) const {
  const auto found = state_hashes_.find(entry);
  if (found == state_hashes_.end()) return std::nullopt;
  return found->second;
}

Bytes Oracle::body_of(const machine::Operation& operation) {
  if ((operation.flags & machine::kOperationIsFragments) == 0) return Bytes(operation.body);
  const base::Result<types::FragmentList> list = machine::parse_fragmented_body(operation.body);
  if (!list) {
    fail(list.error().message);
    return {};
  }
  Bytes body;
  for (const vlog::ValueAddress& piece : list->pieces) {
    const auto found = fragments_.find(piece.index.value);
    if (found == fragments_.end()) {
      fail(base::format("a fragment at entry {} is named that is none", piece.index.value));
      return {};
    }
    body.append(*found->second);
    fragments_.erase(found);
  }
  return body;
}

void Oracle::note_refused(uint64_t identity, uint64_t life) {
  // What was sent to an earlier one is forgotten.
  if (!is_cluster_ && life != life_) return;
  if (--sent_[identity] < 0) fail("an operation stands in the log that a client was refused");
}

void Oracle::take_operation(const raft::Entry& entry, const machine::Operation& operation) {
  // Lets go of the pieces of a body that was refused on its way (Replica::disown_large).
  constexpr uint8_t kNobodys = machine::kOperationIsRead | machine::kOperationIsFragments;
  if (operation.flags == kNobodys) {
    const Bytes body = body_of(operation);
    if (!machine::parse_call_shape(body, body.size())) return;
    return fail("a whole read stands in fragments: the workload has none");
  }
  ++operation_count_;
  model_.begin_operation();
  LoggedOperation logged;
  logged.entry = entry.index.value;
  logged.position = model_.position();
  const Bytes body = body_of(operation);
  if (has_failed()) return;
  switch (operation.kind) {
    case machine::OperationKind::kStateHash:
      logged.is_state_hash = true;
      logged.identity = state_hash_identity();
      logged.hash = model_.logical_hash(model_.position());
      break;
    case machine::OperationKind::kCommand: logged.identity = run_call(body, logged.reply); break;
    case machine::OperationKind::kBlock: run_block(body, logged); break;
  }
  if (--sent_[logged.identity] < 0) {
    return fail(base::format("entry {} holds an operation that nobody sent, or a second time: {}",
                             logged.entry, shown(body)));
  }
  uint64_t life = life_;
  if (is_cluster_) {
    // Only who proposed it can answer for it.
    const auto leader = leaders_.find(entry.term.value);
    if (leader == leaders_.end()) {
      return fail(base::format("entry {} bears term {}, in which nobody led", logged.entry,
                               entry.term.value));
    }
    life = leader->second.life;
  }
  const auto author = lives_.find(life);
  if (author == lives_.end()) return;  // it is dead
  (logged.is_state_hash ? author->second.undelivered_hashes : author->second.undelivered)
      .push_back(std::move(logged));
}

uint64_t Oracle::run_call(ByteView body, Bytes& reply) {
  const base::Result<machine::CallShape> shape = machine::parse_call_shape(body, body.size());
  if (!shape) {
    fail(shape.error().message);
    return 0;
  }
  Words words;
  uint64_t from = shape->words_offset_bytes;
  for (const uint64_t length : shape->word_bytes) {
    words.emplace_back(body.substr(from, length));
    from += length;
  }
  const Bytes answer = model_.run(shape->database.value, words);
  if (narrate_) {
    std::string text = base::format("  entry {} position {} database {}:", harvested_,
                                    model_.position(), shape->database.value);
    for (const Bytes& word : words) text += " " + shown(word);
    narrate_(text + " -> " + shown(answer));
  }
  reply += answer;
  return body_identity(body);
}

void Oracle::run_block(ByteView body, LoggedOperation& logged) {
  const base::Result<machine::BlockView> block = machine::parse_block(body);
  if (!block) return fail(block.error().message);
  logged.watches = block->watches;
  logged.is_block = true;
  bool holds = true;
  for (const machine::Watch& watch : block->watches) {
    const uint64_t version = model_.version(watch.database.value, watch.key, model_.position());
    holds = holds && version == watch.version.value;
  }
  std::vector<uint64_t> identities;
  if (!holds) {
    for (const machine::BlockCall& call : block->calls) {
      identities.push_back(body_identity(call.body));
    }
    logged.is_watch_failed = true;
  } else {
    for (const machine::BlockCall& call : block->calls) {
      identities.push_back(run_call(call.body, logged.parts.emplace_back()));
    }
  }
  logged.identity = block_identity(identities);
}

void Oracle::watch_session(uint64_t life, uint64_t session, std::shared_ptr<Trace> trace) {
  lives_[life].traces[session] = std::move(trace);
}

void Oracle::on_deliver(uint64_t life, const replica::ReplyBatch& batch) {
  const auto found = lives_.find(life);
  if (found == lives_.end()) return fail("a life that is over answers");
  for (const replica::Reply& reply : batch.replies) {
    switch (reply.kind) {
      case replica::ReplyKind::kApplied:
      case replica::ReplyKind::kNoTick:
      case replica::ReplyKind::kLost:     // the connection will be closed
      case replica::ReplyKind::kRefused:  // it stands in no log
      case replica::ReplyKind::kBarrier:
      case replica::ReplyKind::kRetry: continue;
      case replica::ReplyKind::kWatchFailed:
      case replica::ReplyKind::kReplied: break;
    }
    if (reply.is_block) {
      check_delivered(found->second, reply,
                      ByteView(batch.bytes).substr(reply.begin, reply.end - reply.begin));
      continue;
    }
    size_t begin = reply.begin;
    for (size_t i = reply.ends_begin; i < reply.ends_end; ++i) {
      check_delivered(found->second, reply,
                      ByteView(batch.bytes).substr(begin, batch.ends[i] - begin));
      begin = batch.ends[i];
    }
  }
}

void Oracle::check_delivered(Life& life, const replica::Reply& reply, ByteView bytes) {
  if (life.undelivered.empty()) return fail("apply answered an operation that is not in the log");
  LoggedOperation logged = std::move(life.undelivered.front());
  life.undelivered.pop_front();
  Bytes expected = logged.reply;
  for (const Bytes& part : logged.parts) expected += part;
  const bool has_failed_watch = reply.kind == replica::ReplyKind::kWatchFailed;
  if (bytes != expected || has_failed_watch != logged.is_watch_failed) {
    return fail(base::format("entry {}: apply answered {}, the model {}", logged.entry,
                             shown(bytes), shown(expected)));
  }
  const auto trace = life.traces.find(reply.to.session);
  if (trace == life.traces.end()) return fail("apply answered a session that is none");
  trace->second->push_back(std::move(logged));
}

void Oracle::on_state_hash(uint64_t life, const replica::ReplyTo& to) {
  const auto found = lives_.find(life);
  if (found == lives_.end() || found->second.undelivered_hashes.empty()) {
    return fail("a state hash that is not in the log");
  }
  const auto trace = found->second.traces.find(to.session);
  if (trace == found->second.traces.end()) return fail("a state hash for a session that is none");
  trace->second->push_back(std::move(found->second.undelivered_hashes.front()));
  found->second.undelivered_hashes.pop_front();
}

void Oracle::note_applied(uint64_t index, bool is_within_next) {
  if (is_within_next) ++index;  // readers see its first operations
  if (index > harvested_) return fail("an entry was applied that was not durable");
  applied_position_ = std::max(applied_position_, position_of_entry(index));
}

std::optional<uint64_t> Oracle::explain_read(uint32_t database, const Words& words, ByteView reply,
                                             uint64_t from, uint64_t until) const {
  for (uint64_t position = from; position <= until; ++position) {
    if (model_.read(database, words, position) == reply) return position;
  }
  return std::nullopt;
}

}  // namespace alfheim::sim
