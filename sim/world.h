// sim/world: one run from one seed: a node, its clients, and everything that goes wrong.
//
// Draws from the seed which features and faults there are, and how small every budget is; then
// runs clients against the node while it is crashed, killed, stopped, paused, starved of disk
// and given wrong time; at last heals everything, and demands that every client is answered and
// that the node holds what the model holds, before and after a clean restart.
//
// The same seed gives the same run, event for event: Outcome::event_hash proves it.
//
// With Options::changes_min it is instead one long run of small steps over a disk that only
// crashes now and then, in which a plan (sim/exhaustive) may order one crash at any change of the
// disk: then the node recovers, is judged, goes on for a while, and the run ends.
//
// Thread: one. Lifetime: of one run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/client.h"
#include "sim/faults.h"
#include "sim/node.h"

namespace alfheim::sim {

struct Outcome {
  std::string failure;  // empty: all held
  uint64_t event_count = 0;
  uint64_t event_hash = 0;
  uint64_t virtual_ms = 0;
  uint64_t answer_count = 0;
  uint64_t operation_count = 0;  // in the log
  uint64_t life_count = 0;
  uint64_t install_count = 0;   // lives that began over a snapshot
  uint64_t snapshot_count = 0;  // made by hand
  uint64_t change_of_members_count = 0;
  uint64_t compared_count = 0;  // states of members of a group, with the model's
  uint64_t lead_ms_max = 0;     // from the healing of a group until somebody leads
  uint64_t commit_ms_max = 0;   // from the healing of a group to its next commits
  uint64_t change_count = 0;    // of the disk
  std::map<std::string, uint64_t> fault_counts;
  uint64_t disk_operation_count = 0;
  std::string failed_operation;  // of Options::failing_operation: kind and path
  std::string last_words;        // why the node stopped, or did not start
};

class World {
 public:
  using Narrate = std::function<void(const std::string&)>;  // what happens, line by line
  struct Options {
    bool tells_operations = false;  // each operation of the log too
    uint64_t changes_min = 0;       // 0: the run and its faults are drawn from the seed
    CrashPlan plan;
    // Not 0: no other fault but that this operation of the disk fails once.
    uint64_t failing_operation = 0;
    DiskOrder failure = DiskOrder::kFailIo;
  };
  World(uint64_t seed, const command::Table& table, Narrate narrate, Options options);
  ~World();

  Outcome run();

 private:
  void draw_options();
  void set_fixed_options();
  void draw_clients();
  void draw_workload();
  void make_client(const Client::Options& options);
  void make_disk(const SimDisk::Options& options);
  // One event and what must follow it; false when nothing is left to do or something failed.
  bool step();
  void run_until(const std::function<bool()>& is_reached, uint64_t virtual_ms_max,
                 const char* what);
  void after_event();

  // A life of the node.
  void start_life();
  bool is_room_kept();
  std::string told_files();
  void end_life(bool is_power_loss, const std::string& why);
  void lose(bool is_power_loss);
  void schedule_start(uint64_t delay_ns);
  void on_serving();
  void on_fatal(const base::Error& error);
  void stop_cleanly();

  // Faults.
  void schedule_fault();
  void strike(Fault fault);
  void arm_crash(uint64_t changes_max);
  DiskOrder on_disk_operation(const DiskOperation& operation);
  void fill_disk();
  void note_refusals();
  void end_disk_full();
  void heal();

  // Checks.
  void final_checks();
  void judge_planned_crash();
  void recover(const char* what);
  void wait_for_room();
  void verify_state(const char* when);
  void explain_difference(const char* when, uint64_t position);
  void verify_consistency();

  void narrate(const std::string& line);
  bool has_failed() const { return oracle_.has_failed(); }
  bool is_failure_to_come() const {
    return options_.failing_operation != 0 && outcome_.failed_operation.empty();
  }

  const uint64_t seed_;
  const command::Table& table_;
  const Narrate narrate_;
  const Options options_;
  SimClock clock_;
  SimScheduler scheduler_;
  SimRandom random_;
  NodeOptions node_options_;
  WorkloadOptions workload_;
  FaultOptions faults_;
  SimConnection::Options network_;
  std::unique_ptr<SimDisk> disk_;
  std::shared_ptr<index::TwinDisk> store_disk_;  // shared with the store of each life
  Oracle oracle_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<SimNode> node_;
  struct Life {
    bool is_serving = false;
    bool is_stopping = false;
    bool is_start_scheduled = false;
    std::optional<base::Error> fatal;
    std::optional<base::Status> stopped;
  } life_;
  struct Planned {
    uint64_t changes_min = 0;
    CrashPlan plan;
    std::optional<PlannedCrash> crash;  // once it was ordered
  } planned_;
  uint64_t crash_at_change_ = 0;  // 0: not ordered
  bool is_excused_ = false;       // a fault was ordered that may end this life, or prevent the next
  bool is_disk_full_ = false;
  uint64_t excuses_end_ns_ = UINT64_MAX;         // of the oracle's
  bool is_checking_ = false;                     // what is read is read by a checker
  uint64_t capacity_bytes_ = uint64_t{1} << 40;  // of the disk
  int64_t wall_offset_us_ = 0;
  uint32_t faults_left_ = 0;
  Outcome outcome_;
};

}  // namespace alfheim::sim
