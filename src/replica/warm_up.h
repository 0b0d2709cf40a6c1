// replica/warm_up: brings the store's records into memory once the node serves.
//
// Part after part: one is read on the pool, and kept on the apply strand, few records a task, so
// that whatever is applied or read there goes between them. Ends at the store's end, at the
// memory's budget, or at what cannot be read: whoever asks for that is told, here nobody asked.
//
// Thread: as said at each. Lifetime: of the applier.
#pragma once

#include <memory>

#include "env/executor.h"
#include "index/index.h"

namespace alfheim::replica {

class WarmUp {
 public:
  struct Hands {
    env::Executor& executor;
    env::Strand& strand;  // apply's
    index::Index& index;
  };
  explicit WarmUp(const Hands& hands) : hands_(hands) {}

  // Any thread; only the first call starts it: a node may begin to serve more than once.
  void start();
  // Apply strand: nothing more is read.
  void stop() { is_stopped_ = true; }

 private:
  void read_next();
  void keep(std::unique_ptr<index::WarmPart> part);

  const Hands hands_;
  bool is_started_ = false;
  bool is_stopped_ = false;
};

}  // namespace alfheim::replica
