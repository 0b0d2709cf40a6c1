// sim/history: what one thing was at each position of the log, newest last.
//
// A position counts the steps of the model: the start of each entry of commands, and each
// operation in it. A read that did not go through the log is judged by the states that lay
// between its invocation and its answer, so old states are kept until nobody can ask for them.
//
// Thread: one. Lifetime: of the model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace alfheim::sim {

template <typename T>
class History {
 public:
  struct Version {
    uint64_t position;
    T value;
  };

  // Two values at one position are one step: the later one counts.
  void set(uint64_t position, T value) {
    if (!versions_.empty() && versions_.back().position == position) {
      versions_.back().value = std::move(value);
      return;
    }
    versions_.push_back(Version{position, std::move(value)});
  }
  // Null before the first.
  const T* at(uint64_t position) const {
    for (auto version = versions_.rbegin(); version != versions_.rend(); ++version) {
      if (version->position <= position) return &version->value;
    }
    return nullptr;
  }
  const T* newest() const { return versions_.empty() ? nullptr : &versions_.back().value; }
  // Whether it was set after `after` and not after `until`.
  bool is_set_within(uint64_t after, uint64_t until) const {
    return std::any_of(versions_.begin(), versions_.end(), [&](const Version& version) {
      return version.position > after && version.position <= until;
    });
  }
  // Forgets what nobody at `floor` or later can see.
  void trim(uint64_t floor) {
    if (versions_.size() < kTrimmedFrom) return;
    size_t kept_from = 0;
    while (kept_from + 1 < versions_.size() && versions_[kept_from + 1].position <= floor) {
      ++kept_from;
    }
    versions_.erase(versions_.begin(), versions_.begin() + static_cast<ptrdiff_t>(kept_from));
  }

 private:
  static constexpr size_t kTrimmedFrom = 8;
  std::vector<Version> versions_;
};

}  // namespace alfheim::sim
