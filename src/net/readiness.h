// net/readiness: which of a loop's streams can be read or written now.
//
// An epoll set of the loop's connections, which Asio watches as one descriptor. Asio's own reads
// try the kernel once before bytes are there and once after, and each is an operation with its
// memory; here a stream costs nothing while it sleeps and one call when it has something
// (docs/decisions/008).
//
// Thread: its loop. Lifetime: of the loop; a watcher outlives its descriptor's being open.
#pragma once

#include <asio/error_code.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>

#include "net/turn_meter.h"

namespace alfheim::net {

class Readiness {
 public:
  struct Events {
    bool can_read = false;
    bool can_write = false;
    bool is_broken = false;  // reset, or closed both ways: said whatever was asked for
  };
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void on_ready(Events events) = 0;
  };

  Readiness(asio::io_context& context, TurnMeter& meter) : meter_(meter), set_(context) {}

  // Why the system gives no descriptor.
  asio::error_code open();
  // Asks for nothing yet. False: the system refuses.
  bool add(int descriptor, Watcher& watcher);
  // Told again in each turn while it holds. A descriptor that is closed needs no word.
  void ask_for(int descriptor, Watcher& watcher, bool read, bool write);

 private:
  void wait();
  void tell();
  size_t tell_some();

  TurnMeter& meter_;
  size_t streams_per_look_ = 4;  // at the clock
  asio::posix::stream_descriptor set_;
};

}  // namespace alfheim::net
