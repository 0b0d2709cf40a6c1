#include "sim/run.h"

namespace alfheim::sim {

bool run_next_event(SimScheduler& scheduler, Oracle& oracle, uint64_t event_count_max) {
  if (oracle.has_failed()) return false;
  if (scheduler.event_count() > event_count_max) {
    oracle.fail("the run does not end: too many events");
    return false;
  }
  if (scheduler.run_one()) return true;
  oracle.fail("nothing is left to happen");
  return false;
}

uint64_t answered_count(const std::vector<std::unique_ptr<Client>>& clients) {
  uint64_t count = 0;
  for (const std::unique_ptr<Client>& client : clients) count += client->answered_count();
  return count;
}

}  // namespace alfheim::sim
