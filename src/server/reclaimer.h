// server/reclaimer: what is large is destroyed on the pool, not in a turn of the loop.
//
// Freeing many megabytes is work of milliseconds: the allocator gives such memory back to the
// kernel at once, page by page, in the thread that frees it.
//
// Thread: any; the destructor when nothing runs any more. Lifetime: of its host. Bytes that it
// shares may outlive it, and are then freed where they end.
#pragma once

#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "env/executor.h"

namespace alfheim::server {

class Reclaimer {
 public:
  // Smaller things are freed where they are.
  static constexpr size_t kLargeBytes = 2 * base::kMiB;

  explicit Reclaimer(env::Executor& executor)
      : gate_(std::make_shared<env::Executor*>(&executor)) {}
  ~Reclaimer() { *gate_ = nullptr; }
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  template <typename T>
  void destroy(T value) {
    post(**gate_, std::move(value));
  }
  // Where they are large they are freed on the pool, whoever lets go of them last and wherever.
  std::shared_ptr<const base::Bytes> share(base::Bytes bytes) {
    if (bytes.size() < kLargeBytes) return std::make_shared<const base::Bytes>(std::move(bytes));
    const auto destroy_late = [gate = gate_](const base::Bytes* shared) {
      std::unique_ptr<const base::Bytes> last(shared);
      if (*gate != nullptr) post(**gate, std::move(last));
    };
    return {std::make_unique<const base::Bytes>(std::move(bytes)).release(), destroy_late};
  }

 private:
  template <typename T>
  static void post(env::Executor& executor, T value) {
    // In a box, so that nothing of it stays behind where the task is moved from.
    executor.post_to_pool(env::Lane::kShort, [box = std::make_unique<T>(std::move(value))] {});
  }

  std::shared_ptr<env::Executor*> gate_;  // shared by what outlives this; null once it is gone
};

}  // namespace alfheim::server
