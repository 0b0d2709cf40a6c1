// What a start makes of log and index: the state in which raft goes on.
#include "base/check.h"
#include "base/format.h"
#include "base/mutant.h"
#include "replica/replica.h"

namespace alfheim::replica {
namespace {

// As of the index, and those that the log holds behind it: they are in force, committed or not.
base::Status restore_configurations(const Replica::Hands& hands, const Replica::Options& options,
                                    raft::RestoredState& state) {
  if (const base::Bytes& stored = hands.machine.state().configuration; !stored.empty()) {
    ALF_TRY(state.configuration, raft::decode_configuration(stored));
  } else if (!options.has_joined) {
    state.configuration = raft::make_configuration(
        options.founders.empty()
            ? std::vector{raft::Member{.id = options.id, .name = {}, .address = {}}}
            : options.founders);
  }
  vlog::EntryCursor cursor = hands.log.cursor(state.applied.next());
  for (;;) {
    ALF_TRY(const std::optional<raft::Entry> entry, cursor.next());
    if (!entry) return base::ok();
    if (entry->kind != raft::EntryKind::kConfiguration || ALF_MUTANT(TailConfigurationForgotten)) {
      continue;
    }
    ALF_TRY(raft::Configuration configuration, raft::decode_configuration(entry->bytes()));
    state.configurations_behind.push_back({entry->index, std::move(configuration)});
  }
}

}  // namespace

base::Result<raft::RestoredState> Replica::restore(const Hands& hands, const Options& options) {
  const vlog::Log& log = hands.log;
  raft::RestoredState state;
  state.hard_state.term = log.hard_state().term;
  state.hard_state.vote = log.hard_state().vote;
  state.log_first = log.first_index();
  state.previous_term =
      log.term_at(base::LogIndex{log.first_index().value - 1}).value_or(base::Term{});
  state.last = log.last_index();
  for (base::LogIndex index = state.log_first; index <= state.last; index = index.next()) {
    const std::optional<base::Term> term = log.term_at(index);
    ALF_CHECK(term.has_value());
    if (state.runs.empty() || state.runs.back().term != *term) {
      state.runs.push_back(raft::TermRun{index, *term});
    }
  }
  state.applied = hands.machine.applied();
  if (state.applied > state.last) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("start the replica: the index reflects entry {}, the log "
                                    "ends at {}: part of the log is missing",
                                    state.applied.value, state.last.value)};
  }
  ALF_TRY_STATUS(restore_configurations(hands, options, state));
  ALF_TRY_STATUS(raft::check_restored(state));
  return state;
}

}  // namespace alfheim::replica
