// tools/check_report: where the parts of a check tell what they found, and how far they are.
//
// Thread: one. Lifetime: of one check; borrows the clock and what prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "env/clock.h"

namespace alfheim::tools {

class CheckReport {
 public:
  struct Options {
    std::function<void(const std::string& line)> problem;
    std::function<void(const std::string& line)> progress;
  };
  CheckReport(const env::Clock& clock, Options options)
      : clock_(clock), options_(std::move(options)), shown_ms_(clock.monotonic_ms()) {}

  void problem(const std::string& path, uint64_t offset_bytes, const std::string& words) {
    ++problem_count_;
    options_.problem(path + ":" + std::to_string(offset_bytes) + ": " + words);
  }
  // Of what a crash may leave behind: told, but not counted as wrong.
  void note(const std::string& path, uint64_t offset_bytes, const std::string& words) {
    options_.problem(path + ":" + std::to_string(offset_bytes) + ": note: " + words);
  }
  // Call it often: it speaks every two seconds.
  void progress(const char* doing, uint64_t count) {
    constexpr uint64_t kEveryMs = 2000;
    constexpr uint64_t kAsksClockEvery = 256;
    if (++progress_count_ % kAsksClockEvery != 0) return;
    const uint64_t now_ms = clock_.monotonic_ms();
    if (now_ms - shown_ms_ < kEveryMs) return;
    shown_ms_ = now_ms;
    options_.progress(std::string(doing) + ": " + std::to_string(count));
  }
  uint64_t problem_count() const { return problem_count_; }

 private:
  const env::Clock& clock_;
  Options options_;
  uint64_t problem_count_ = 0;
  uint64_t progress_count_ = 0;
  uint64_t shown_ms_;
};

}  // namespace alfheim::tools
