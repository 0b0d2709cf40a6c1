// sim/rot: what the suites of flipped bits share: which bits, how many, and what they count.
//
// Bits are numbered through all parts of all files; each n-th is flipped, alone, in a copy of the
// content. Where the format has a meaning the bits stand closer than in the bodies of values.
//
// Thread: none; values. docs/simulator.md tells what is demanded.
#pragma once

#include <cstdint>
#include <string>

namespace alfheim::sim {

struct RotOptions {
  uint64_t seed = 1;
  uint64_t every = 1;   // of the bits in bodies each n-th; structure: kStructureWeight as many
  uint64_t offset = 0;  // where that begins
  uint64_t jobs = 2;    // processes at a time, where that is possible
  std::string file;     // not empty: one bit only, of this file ...
  uint64_t bit = 0;     // ... counted from its first byte's lowest
};

inline constexpr uint64_t kStructureWeight = 32;

struct RotResult {
  uint64_t flip_count = 0;
  uint64_t open_count = 0;      // found when the directory was opened
  uint64_t read_count = 0;      // opened; a read or a check found it
  uint64_t torn_count = 0;      // in the last batch of an unclean log: dropped like a torn write
  uint64_t harmless_count = 0;  // in bytes that nothing is kept in, and everything was right
  // RocksDB ended the process by an assertion of its own, as it was opened: found, though rudely.
  uint64_t death_count = 0;
  uint64_t failure_count = 0;

  void add(const RotResult& other) {
    flip_count += other.flip_count;
    open_count += other.open_count;
    read_count += other.read_count;
    torn_count += other.torn_count;
    harmless_count += other.harmless_count;
    death_count += other.death_count;
    failure_count += other.failure_count;
  }
};

// META and segments: two directories, one that was closed cleanly and one that was not.
RotResult rot_log(const RotOptions& options);
// Every file of a RocksDB directory that the index uses.
RotResult rot_store(const RotOptions& options);

}  // namespace alfheim::sim
