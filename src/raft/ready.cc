#include "raft/ready.h"

#include <fmt/format.h>

namespace alfheim::raft {

base::Status check_restored(const RestoredState& state) {
  const auto refuse = [&](const char* what) {
    return base::Error{base::ErrorCode::kCorruption,
                       fmt::format("restore a raft node with log [{}, {}], applied {}, term {}: {}",
                                   state.log_first.value, state.last.value, state.applied.value,
                                   state.hard_state.term.value, what)};
  };
  if (state.log_first.value == 0) return refuse("the log cannot start at 0");
  if (state.last.next() < state.log_first) return refuse("the log ends before it starts");
  if (state.applied > state.last) return refuse("the index is ahead of the log");
  if (state.applied.next() < state.log_first) {
    return refuse("entries between the index and the log's start are missing");
  }
  if (state.runs.empty() != (state.last < state.log_first)) {
    return refuse("the terms do not cover the log");
  }
  base::Term term = state.previous_term;
  for (size_t i = 0; i < state.runs.size(); ++i) {
    const TermRun& run = state.runs[i];
    if (i == 0 && run.first != state.log_first) return refuse("the terms start elsewhere");
    if (i > 0 && run.first <= state.runs[i - 1].first) return refuse("the terms are not in order");
    if (run.first > state.last) return refuse("the terms go on behind the log's end");
    if (run.term < term || run.term.value == 0 || (i > 0 && run.term == term)) {
      return refuse("a term falls or repeats along the log");
    }
    term = run.term;
  }
  if (state.hard_state.term < term) return refuse("an entry's term is above the durable term");
  if (state.configuration != Configuration{}) {
    const base::Status status = check_configuration(state.configuration);
    if (!status.is_ok()) return refuse(status.error().message.c_str());
  }
  base::LogIndex before = state.applied;
  for (const ConfigurationAt& each : state.configurations_behind) {
    if (each.index <= before) return refuse("the configurations are not in order");
    if (each.index > state.last) return refuse("a configuration stands behind the log's end");
    const base::Status status = check_configuration(each.configuration);
    if (!status.is_ok()) return refuse(status.error().message.c_str());
    before = each.index;
  }
  return base::ok();
}

}  // namespace alfheim::raft
