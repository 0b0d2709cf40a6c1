// replica/gathering: whether the next write should wait a turn for what is coming in just now.
//
// A write costs the same 60 to 100 microseconds of CPU, of several threads, whether it carries one
// command or fifty. When one has ended, its clients get their replies and send again; a next one
// that began at once would carry the few who came first. So for some turns of the core, each of
// them microseconds, the batch stays open: as long as turns bring something, and it is small.
// Nothing waits for time to pass: a turn that finds nothing costs one look at the network. Where
// turns are long, because somebody else is busy on the core, it is over soon.
//
// In a group of several a write costs each node as much, and two messages each way besides, so more
// are waited for. Rounds of reads do not gain by it. Measured in docs/decisions/008.
//
// Thread: the core strand. Lifetime: of the replica.
#pragma once

#include <cstdint>

namespace alfheim::replica {

class Gathering {
 public:
  struct Limits {
    uint32_t quiet_turns;  // that bring nothing: nobody sends now
    uint32_t turns_max;
    uint64_t small_bytes;  // bytes of the open batches: about a hundred small commands, or 800
    uint64_t longest_ns;
  };
  static constexpr uint32_t kTurnsMin = 4;  // replies leave, and the first requests come
  static constexpr Limits kAlone{
      .quiet_turns = 2, .turns_max = 16, .small_bytes = 4096, .longest_ns = 300'000};
  static constexpr Limits kInGroup{
      .quiet_turns = 4, .turns_max = 64, .small_bytes = 32 * 1024, .longest_ns = 1'000'000};

  // A write has ended.
  void begin(const Limits& limits, uint64_t now_ns) {
    limits_ = &limits;
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
    const bool is_quiet = turns_ >= kTurnsMin && quiet_turns_ >= limits_->quiet_turns;
    is_on_ = turns_ < limits_->turns_max && !is_quiet && queued_bytes < limits_->small_bytes &&
             now_ns < begin_ns_ + limits_->longest_ns;
    ++turns_;
    return is_on_;
  }

 private:
  const Limits* limits_ = &kAlone;
  uint64_t begin_ns_ = 0;
  uint64_t seen_bytes_ = 0;
  uint32_t turns_ = 0;
  uint32_t quiet_turns_ = 0;
  bool is_on_ = false;
};

}  // namespace alfheim::replica
