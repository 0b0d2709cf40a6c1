// replica/gathering: whether the next write should wait a turn for what is coming in just now.
//
// A write costs the same 60 to 100 microseconds of CPU, of several threads, whether it carries one
// command or fifty. When one has ended, its clients get their replies and send again; a next one
// that began at once would carry the few who came first. So for some turns of the core, each of
// them microseconds, the batch stays open: as long as turns bring something, and it is small.
// Nothing waits for time to pass: a turn that finds nothing costs one look at the network. Where
// turns are long, because somebody else is busy on the core, it is over soon.
// Measured in docs/decisions/008.
//
// Thread: the core strand. Lifetime: of the replica.
#pragma once

#include <cstdint>

namespace alfheim::replica {

class Gathering {
 public:
  // A write has ended.
  void begin(uint64_t now_ns) {
    is_on_ = true;
    begin_ns_ = now_ns;
    turns_ = quiet_turns_ = 0;
  }
  bool is_on() const { return is_on_; }
  // Whether to look again behind one more turn, if so much is in the open batches now.
  bool goes_on(uint64_t queued_bytes, uint64_t now_ns) {
    const bool has_grown = queued_bytes != seen_bytes_;
    seen_bytes_ = queued_bytes;
    quiet_turns_ = has_grown ? 0 : quiet_turns_ + 1;
    const bool is_quiet = turns_ >= kTurnsMin && quiet_turns_ >= kQuietTurns;
    is_on_ = turns_ < kTurnsMax && !is_quiet && queued_bytes < kSmallBytes &&
             now_ns < begin_ns_ + kLongestNs;
    ++turns_;
    return is_on_;
  }

  static constexpr uint32_t kTurnsMin = 4;  // replies leave, and the first requests come
  static constexpr uint32_t kTurnsMax = 16;
  static constexpr uint32_t kQuietTurns = 2;
  static constexpr uint64_t kSmallBytes = 4096;  // about a hundred small commands
  static constexpr uint64_t kLongestNs = 300'000;

 private:
  uint64_t begin_ns_ = 0;
  uint64_t seen_bytes_ = 0;
  uint32_t turns_ = 0;
  uint32_t quiet_turns_ = 0;
  bool is_on_ = false;
};

}  // namespace alfheim::replica
