#include "sim/run.h"

#include <algorithm>

#include "server/generation.h"
#include "server/layout.h"
#include "sim/node.h"
#include "vlog/segment_names.h"

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

bool has_kept_room(env::Disk& disk) {
  const auto generation = server::current_generation(disk, SimNode::kDirectory);
  if (!generation) return false;
  const auto names = disk.list(server::log_dir(generation->dir));
  return names && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return vlog::parse_spare_name(name) ||
                  vlog::parse_spare_name(name, vlog::kReservePrefix);
         });
}

uint64_t answered_count(const std::vector<std::unique_ptr<Client>>& clients) {
  uint64_t count = 0;
  for (const std::unique_ptr<Client>& client : clients) count += client->answered_count();
  return count;
}

}  // namespace alfheim::sim
