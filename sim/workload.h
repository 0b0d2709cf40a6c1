// sim/workload: what clients ask for: random commands over few keys, from a seed.
//
// Few keys, so that clients meet on them. Three families, because what may touch a key decides
// what may be said about it: "s" strings (watched, renamed, copied), "n" numbers, "b" bits.
// Which kinds of commands there are at all is drawn per seed (swarm testing).
//
// Thread: one. Lifetime: of one client.
#pragma once

#include <cstdint>

#include "sim/hands/sim_random.h"
#include "sim/model.h"

namespace alfheim::sim {

struct WorkloadOptions {
  uint32_t keys_per_family = 8;
  uint32_t read_ppm = 400'000;
  uint32_t large_value_ppm = 100'000;  // around the value threshold and above
  uint32_t long_string_ppm = 0;        // edits beyond 64 KiB
  uint32_t huge_value_ppm = 0;         // above an entry: fragments
  uint64_t ttl_ms_max = 2000;
  bool has_expiry = true;
  bool has_numbers = true;
  bool has_bits = true;
  bool has_edits = true;
  bool has_renames = true;
  bool has_databases = true;  // SELECT, MOVE, COPY to others, SWAPDB
  bool has_flushes = true;
  bool has_blocks = true;
  bool has_watches = true;
  bool has_walks = true;  // KEYS, DBSIZE
  bool has_state_hash = true;
};

class Workload {
 public:
  Workload(uint64_t seed, const WorkloadOptions& options) : random_(seed), options_(options) {}

  // Every command is one that Model knows, in upper case.
  Words next();
  base::Bytes watchable_key() { return key('s'); }
  const WorkloadOptions& options() const { return options_; }
  SimRandom& random() { return random_; }
  static uint32_t database_count() { return 3; }

 private:
  base::Bytes key(char family);
  base::Bytes any_key();
  base::Bytes value();
  base::Bytes bytes_of(uint64_t length);
  base::Bytes ttl(uint64_t unit_ms);
  base::Bytes database();
  Words read();
  Words write();
  Words set();
  Words edit();
  Words number();
  Words expiry();
  Words rename();
  Words whole_database();

  SimRandom random_;
  const WorkloadOptions options_;
};

}  // namespace alfheim::sim
