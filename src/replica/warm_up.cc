#include "replica/warm_up.h"

#include <utility>

namespace alfheim::replica {
namespace {

// Slices of the index's lock in one task of the strand, which may be a loop: some 100 µs.
constexpr size_t kSlicesAtOnce = 4;

}  // namespace

void WarmUp::start() {
  hands_.strand.post([this] {
    if (!std::exchange(is_started_, true)) read_next();
  });
}

void WarmUp::read_next() {
  if (is_stopped_) return;
  std::unique_ptr<index::WarmPart> part = hands_.index.next_warm_part();
  if (part == nullptr) return;
  hands_.executor.post_to_pool(env::Lane::kLong, [this, part = std::move(part)]() mutable {
    const bool is_read = part->run().is_ok();
    if (!is_read) return;
    hands_.strand.post([this, part = std::move(part)]() mutable { keep(std::move(part)); });
  });
}

void WarmUp::keep(std::unique_ptr<index::WarmPart> part) {
  if (is_stopped_) return;
  for (size_t i = 0; i < kSlicesAtOnce; ++i) {
    if (!hands_.index.take_warm(*part)) return read_next();
  }
  hands_.strand.post([this, part = std::move(part)]() mutable { keep(std::move(part)); });
}

}  // namespace alfheim::replica
