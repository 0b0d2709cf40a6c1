#include "machine/machine.h"

#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "machine/apply_context.h"
#include "machine/key_ahead.h"
#include "types/expiry.h"

namespace alfheim::machine {
namespace {

constexpr size_t kDiscardedBytesKeptMax = 64 * 1024;
// A longer call, or one of more words, is not one for a loop's turn.
constexpr size_t kNearBodyBytesMax = 32 * 1024;
constexpr size_t kNearWordsMax = 128;
// The handler of a longer operation, or a block, does not run while readers wait.
constexpr size_t kSliceBodyBytesMax = 4 * 1024;
// More changes than these are published behind a curtain, slice by slice.
constexpr size_t kChangesAtOnceMax = 256;

}  // namespace

struct Machine::InEntry {
  InEntry(Machine& machine, const raft::Entry& entry, const PayloadReader& operations)
      : index(entry.index),
        reader(operations),
        context(machine, entry, reader.header()),
        ahead(operations) {}

  base::LogIndex index;
  PayloadReader reader;
  ApplyContext context;
  std::optional<Operation> operation;  // taken from the reader, not yet published
  size_t ordinal = 0;                  // its
  uint32_t undo_mutation_count = 0;    // before it began
  KeyAhead ahead;
};

Machine::Machine(const Hands& hands)
    : hands_(hands),
      slice_(hands.index),
      source_(hands.index, slice_),
      values_(hands.log, slice_),
      transaction_(source_),
      loader_(hands.table, values_) {}

base::Result<std::unique_ptr<Machine>> Machine::open(const Hands& hands) {
  auto machine = std::unique_ptr<Machine>(new Machine(hands));
  ALF_TRY(machine->state_, MachineState::read(machine->source_));
  if (machine->state_.applied.value != hands.index.persisted_applied()) {
    return base::Error{
        base::ErrorCode::kCorruption,
        base::format("open state machine: its record says applied={}, the index says {}",
                     machine->state_.applied.value, hands.index.persisted_applied())};
  }
  machine->published_ =
      Published{machine->state_.applied, machine->state_.log_time, machine->state_.databases};
  machine->applied_.store(machine->state_.applied.value, std::memory_order_release);
  const base::LogIndex log_first = hands.log.first_index();
  if (log_first <= machine->state_.applied) machine->fragments_.restore(log_first);
  ALF_TRY_STATUS(machine->find_next_deadline());
  return machine;
}

std::optional<base::Stamp> Machine::next_deadline() const {
  const uint64_t deadline_ms = next_deadline_ms_.load(std::memory_order_acquire);
  if (deadline_ms == UINT64_MAX) return std::nullopt;
  return base::Stamp{deadline_ms};
}

base::LogIndex Machine::log_needed_from() const {
  const std::optional<base::LogIndex> fragment = fragments_.first();
  ALF_CHECK(!fragment || *fragment <= state_.applied);
  if (ALF_MUTANT(FragmentsSwept)) return state_.applied.next();
  return fragment.value_or(state_.applied.next());
}

const Published& Machine::published(const index::ReadGuard& guard) const {
  ALF_CHECK(guard.applied() <= published_.applied.value);
  return published_;
}

base::Status Machine::apply(const raft::Entry& entry, ReplySink& sink) {
  ALF_TRY(const Progress progress, apply_part(entry, sink, Budget{}));
  ALF_CHECK(progress == Progress::kWhole);
  return base::ok();
}

base::Result<Machine::Progress> Machine::apply_part(const raft::Entry& entry, ReplySink& sink,
                                                    Budget budget) {
  ALF_CHECK_MSG(entry.index == state_.applied.next(), "entries are applied in order");
  const auto mode = budget.may_block ? env::ReadMode::kMayBlock : env::ReadMode::kMemoryOnly;
  source_.set_mode(mode);
  values_.set_mode(mode);
  if (in_entry_ == nullptr) {
    const bool is_due = entry.kind == raft::EntryKind::kCommands &&
                        next_deadline_ms_.load(std::memory_order_relaxed) <= entry.stamp.ms;
    if (is_due && !budget.may_block) return Progress::kWouldBlock;
    ALF_TRY_STATUS(begin_entry(entry));
  }
  ALF_CHECK(in_entry_->index == entry.index);
  if (entry.kind == raft::EntryKind::kCommands) {
    base::Result<Progress> progress = apply_commands(sink, budget);
    if (!progress || *progress != Progress::kWhole) {
      slice_.close();  // readers go on, whatever became of the entry
      return progress;
    }
  }
  end_entry(entry);
  return Progress::kWhole;
}

base::Status Machine::begin_entry(const raft::Entry& entry) {
  ALF_CHECK(entry.term >= state_.applied_term);
  ALF_CHECK(transaction_.is_empty());
  if (entry.term > state_.applied_term) fragments_.start_term();
  if (entry.kind == raft::EntryKind::kFragment) fragments_.add(entry.index);
  PayloadReader reader;
  if (entry.kind == raft::EntryKind::kCommands) {
    ALF_CHECK_MSG(entry.stamp >= state_.log_time, "log time never goes back");
    ALF_TRY(reader, PayloadReader::open(entry.bytes()));
    state_.log_time = entry.stamp;
  } else if (entry.kind == raft::EntryKind::kConfiguration) {
    state_.configuration = base::Bytes(entry.bytes());
  }
  in_entry_ = std::make_unique<InEntry>(*this, entry, reader);
  if (entry.kind != raft::EntryKind::kCommands) return base::ok();
  return remove_due_keys(in_entry_->context);
}

void Machine::end_entry(const raft::Entry& entry) {
  in_entry_.reset();
  state_.applied = entry.index;
  state_.applied_term = entry.term;
  transaction_.put(types::meta_key(kStateRecordName), state_.encode());
  publish(entry.index);
  slice_.close();
  ALF_CHECK(published_.applied == state_.applied);
  applied_.store(entry.index.value, std::memory_order_release);
}

base::Result<Machine::Progress> Machine::apply_commands(ReplySink& sink, Budget budget) {
  InEntry& at = *in_entry_;
  while (at.operation || at.reader.has_next()) {
    if (budget.changes == 0 || budget.bytes == 0) return Progress::kPart;
    if (!at.operation) {
      ALF_TRY(at.operation, at.reader.next());
      offer_record_key(at.ahead.step(hands_.index, state_.databases), at.context);
    }
    ALF_TRY(const Progress progress, apply_one(sink, budget));
    if (progress != Progress::kWhole) return progress;
    at.operation.reset();
    ++at.ordinal;
  }
  return Progress::kWhole;
}

base::Result<Machine::Progress> Machine::apply_one(ReplySink& sink, Budget& budget) {
  InEntry& at = *in_entry_;
  const Operation& operation = *at.operation;
  const bool is_small =
      operation.kind == OperationKind::kCommand && operation.body.size() <= kSliceBodyBytesMax;
  if (!is_small) slice_.close();
  if (!budget.may_block && !is_near(operation)) return Progress::kWouldBlock;
  at.undo_mutation_count = at.context.point().mutation_count;
  const size_t replied_bytes = sink.replied_bytes();
  base::Status applied = apply_operation(operation, at.ordinal, sink, at.context);
  if (!applied) {
    // Whatever it was, half an operation is nobody's: not of what comes next, nor of a last look at
    // a node that stops.
    undo_operation(sink);
    const bool would_block = applied.error().code == base::ErrorCode::kWouldBlock;
    if (budget.may_block || !would_block) return applied.error();
    return Progress::kWouldBlock;
  }
  // One that only looks has looked at a key a word, or so.
  const size_t changes = std::max({transaction_.change_count(), call_.words.size(), size_t{1}});
  const size_t bytes = operation.body.size() + sink.replied_bytes() - replied_bytes;
  publish(state_.applied);
  budget.changes -= std::min(budget.changes, changes);
  budget.bytes -= std::min(budget.bytes, bytes);
  return Progress::kWhole;
}

void Machine::offer_record_key(KeyAhead::Known& known, ApplyContext& context) {
  if (known.record_key.empty()) return;
  context.database(known.database).offer_record_key(known.epoch, known.record_key);
}

// What one loop may apply between two looks at its connections: one command with a small bound.
bool Machine::is_near(const Operation& operation) const {
  return operation.kind == OperationKind::kCommand && operation.body.size() <= kNearBodyBytesMax &&
         (operation.flags & kOperationIsFragments) == 0 &&
         peek_word_count(operation.body) <= kNearWordsMax;
}

// Nothing of it was published, so the state goes back to what is.
void Machine::undo_operation(ReplySink& sink) {
  transaction_.clear();
  state_.databases = published_.databases;
  in_entry_->context.point().mutation_count = in_entry_->undo_mutation_count;
  sink.abandon(in_entry_->ordinal);
}

base::Status Machine::apply_operation(const Operation& operation, size_t ordinal, ReplySink& sink,
                                      ApplyContext& context) {
  const bool is_fragments = (operation.flags & kOperationIsFragments) != 0;
  types::FragmentList fragments;
  if (is_fragments) {
    ALF_TRY(fragments, parse_fragmented_body(operation.body));
    fragments_.claim(fragments);
  }
  switch (operation.kind) {
    case OperationKind::kStateHash:
      slice_.close();  // the sink takes a view
      sink.on_state_hash(ordinal);
      return base::ok();
    case OperationKind::kBlock: {
      if (!is_fragments) {
        return apply_block(operation.body, operation.body_offset_bytes, ordinal, sink, context);
      }
      ALF_TRY(const base::Bytes body, loader_.read_fragments(fragments));
      return apply_block(body, std::nullopt, ordinal, sink, context);
    }
    case OperationKind::kCommand: break;
  }
  resp::ReplyWriter* reply = sink.begin(ordinal);
  const bool is_read = (operation.flags & kOperationIsRead) != 0;
  if (is_read && reply == nullptr) return base::ok();
  if (is_fragments) {
    ALF_TRY_STATUS(loader_.load_fragments(fragments, context.header(), call_));
  } else {
    ALF_TRY_STATUS(
        loader_.load(operation.body, operation.body_offset_bytes, context.header(), call_));
  }
  ALF_CHECK_MSG(!is_read || !call_.row->is_write(), "other nodes skip it: it may not write");
  ALF_TRY_STATUS(apply_call(reply, context));
  if (reply != nullptr) sink.end(ordinal, Outcome::kReplied);
  return base::ok();
}

base::Status Machine::apply_call(resp::ReplyWriter* reply, ApplyContext& context) {
  ALF_CHECK(call_.row != nullptr);
  context.start_call(call_.database, !call_.row->is_write());
  if (!call_.row->is_point()) {
    slice_.close();
    if (source_.mode() != env::ReadMode::kMayBlock) {
      return base::Error{base::ErrorCode::kWouldBlock, "a command without a small bound"};
    }
  }
  if (reply != nullptr) return call_.row->handler(context, call_.args(), *reply);
  // Not run at all where nobody waits and nothing changes.
  if (!call_.row->is_write()) return base::ok();
  discarded_.clear();
  if (discarded_.capacity() > kDiscardedBytesKeptMax) base::Bytes().swap(discarded_);
  resp::ReplyWriter nobody(discarded_, resp::ProtocolVersion::kResp2);
  return call_.row->handler(context, call_.args(), nobody);
}

base::Status Machine::apply_block(base::ByteView body, std::optional<uint32_t> offset_bytes,
                                  size_t ordinal, ReplySink& sink, ApplyContext& context) {
  ALF_TRY(const BlockView block, parse_block(body));
  resp::ReplyWriter* reply = sink.begin(ordinal);
  ALF_TRY(const bool holds, watches_hold(block.watches, context));
  if (!holds) {
    if (reply != nullptr) sink.end(ordinal, Outcome::kWatchFailed);
    return base::ok();
  }
  PayloadHeader header = context.header();
  // A block that was itself in fragments was put together in memory: its values have no
  // place in this entry.
  if (!offset_bytes) header.value_threshold_bytes = UINT64_MAX;
  for (const BlockCall& member : block.calls) {
    const auto offset = static_cast<uint32_t>(offset_bytes.value_or(0) + member.offset_bytes);
    ALF_TRY_STATUS(loader_.load(member.body, offset, header, call_));
    ALF_TRY_STATUS(apply_call(reply, context));
    if (ALF_MUTANT(BlockShownInParts)) {
      publish(state_.applied);
      slice_.close();
    }
    if (reply != nullptr) sink.end_part(ordinal);
  }
  if (reply != nullptr) sink.end(ordinal, Outcome::kBlockReplied);
  return base::ok();
}

base::Result<bool> Machine::watches_hold(const std::vector<Watch>& watches, ApplyContext& context) {
  for (const Watch& watch : watches) {
    ALF_TRY(const base::LogIndex version, context.database(watch.database).version(watch.key));
    if (version != watch.version && !ALF_MUTANT(WatchNotChecked)) return false;
  }
  return true;
}

base::Status Machine::remove_due_keys(ApplyContext& context) {
  if (next_deadline_ms_.load(std::memory_order_relaxed) > state_.log_time.ms) return base::ok();
  const auto removed = types::remove_due_keys(context.hands(), state_.log_time);
  if (!removed) {
    transaction_.clear();
    state_.databases = published_.databases;
    return removed.error();
  }
  // Nobody's write: these keys were dead before, whoever watched them.
  publish(state_.applied, Observed::kNo);
  return find_next_deadline();
}

base::Status Machine::find_next_deadline() {
  ALF_CHECK(transaction_.is_empty());
  slice_.close();
  ALF_TRY(const std::optional<uint64_t> deadline_ms,
          types::next_deadline(source_, state_.databases));
  next_deadline_ms_.store(deadline_ms.value_or(UINT64_MAX), std::memory_order_release);
  return base::ok();
}

void Machine::note_deadlines() {
  for (size_t i = 0; i < transaction_.change_count(); ++i) {
    const base::ByteView key = transaction_.key_at(i);
    ALF_CHECK(!key.empty());
    if (key.front() != types::kKindExpiry || !transaction_.value_at(i)) continue;
    uint64_t deadline_ms = 0;
    base::ByteView record_key;
    ALF_CHECK(types::parse_expiry_key(key, deadline_ms, record_key));
    if (deadline_ms < next_deadline_ms_.load(std::memory_order_relaxed)) {
      next_deadline_ms_.store(deadline_ms, std::memory_order_release);
    }
  }
}

// A block may write a key and move its database to another number, or make it empty: the key was
// written wherever its epoch stood before, or stands now. What neither knows nobody ever saw.
void Machine::tell_observer(const types::DatabaseTable& before) const {
  for (size_t i = 0; i < transaction_.change_count(); ++i) {
    const base::ByteView record_key = transaction_.key_at(i);
    if (record_key.front() != types::kKindKey) continue;
    types::Epoch epoch;
    uint16_t slot = 0;
    base::ByteView key;
    ALF_CHECK(types::parse_key_record_key(record_key, epoch, slot, key));
    const std::optional<base::DatabaseIndex> was = before.database_of(epoch);
    const std::optional<base::DatabaseIndex> is = state_.databases.database_of(epoch);
    if (was) observer_->on_key_written(*was, key);
    if (is && is != was) observer_->on_key_written(*is, key);
  }
}

void Machine::publish(base::LogIndex applied, Observed observed) {
  ALF_CHECK(applied >= published_.applied);
  mutations_.clear();
  mutations_.reserve(transaction_.change_count() + 1);
  // Epochs are published with the records that stand under them, never later.
  if (applied == published_.applied &&
      state_.databases.epoch_changes != published_.databases.epoch_changes) {
    // The record still says what is wholly applied; only the epochs are ahead.
    MachineState ahead = state_;
    ahead.applied = applied;
    transaction_.put(types::meta_key(kStateRecordName), ahead.encode());
  }
  for (size_t i = 0; i < transaction_.change_count(); ++i) {
    mutations_.push_back(index::Mutation{transaction_.key_at(i), transaction_.value_at(i)});
  }
  note_deadlines();
  const bool are_epochs_new = state_.databases.epoch_changes != published_.databases.epoch_changes;
  std::optional<types::DatabaseTable> before;
  if (are_epochs_new) before = published_.databases;
  publish_mutations(applied);
  published_.applied = applied;
  published_.log_time = state_.log_time;
  published_.databases = state_.databases;
  slice_.count(std::max<size_t>(mutations_.size(), 1));
  if (observed == Observed::kYes && observer_ != nullptr && observer_->is_observing()) {
    // Readers need not wait for a hundred thousand look-ups.
    if (mutations_.size() > kChangesAtOnceMax) slice_.close();
    tell_observer(before ? *before : state_.databases);
  }
  transaction_.clear();
}

// Leaves the slice open in which readers come to see them.
void Machine::publish_mutations(base::LogIndex applied) {
  std::span<const index::Mutation> rest(mutations_);
  if (rest.size() <= kChangesAtOnceMax) return slice_.open().publish(rest, applied.value);
  slice_.close();
  hands_.index.draw_curtain();
  for (; rest.size() > Slice::kMutationsMax; rest = rest.subspan(Slice::kMutationsMax)) {
    slice_.open().publish(rest.first(Slice::kMutationsMax), applied.value);
    slice_.close();
  }
  index::WriteSlice& last = slice_.open();
  last.publish(rest, applied.value);
  last.lift_curtain();
}

Machine::~Machine() = default;

void Machine::check_invariants() const {
  ALF_CHECK(published_.applied == state_.applied);
  ALF_CHECK(applied_.load() == state_.applied.value);
  ALF_CHECK(transaction_.is_empty());
  ALF_CHECK(state_.applied.value >= hands_.index.persisted_applied());
  hands_.index.check_invariants();
}

}  // namespace alfheim::machine
