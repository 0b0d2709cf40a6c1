// server/read_ahead: the keys of reads that wait in a connection, brought into the caches.
//
// A read of memory mostly waits for two lines of it (machine/key_ahead.h, docs/decisions/008). Who
// sends reads in pipelines has sent the next keys already: they are asked for together, some
// requests ahead, and arrive while earlier ones are answered. Only hints: nothing depends on them.
//
// Thread: the connection's loop. Lifetime: a value of its session.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "machine/machine.h"
#include "resp/request_cutter.h"

namespace alfheim::server {

class ReadAhead {
 public:
  // What the request that is executed now is: reads come after reads.
  void note(bool is_read) { is_reading_ = is_read; }
  // The next request is about to be cut, and may be answered at once: looks, unless it was looked
  // at.
  void look(const resp::RequestCutter& cutter, machine::Machine& machine,
            base::DatabaseIndex database) {
    if (asked_ > 0) {
      --asked_;
    } else if (is_reading_ && cutter.bytes_unconsumed() > 0) {
      const size_t looked = ask(std::nullopt, cutter, machine, database);
      if (looked > 0) asked_ = looked - 1;  // without the one that is cut now
    }
  }
  // It is about to be cut, and may not.
  void pass() {
    if (asked_ > 0) --asked_;
  }
  // A read that had to wait is about to be answered, of that key, and what stands behind it.
  void look_behind(base::ByteView key, const resp::RequestCutter& cutter, machine::Machine& machine,
                   base::DatabaseIndex database) {
    asked_ = ask(key, cutter, machine, database);
  }

 private:
  // Returns at how many requests of the cutter it looked.
  static size_t ask(std::optional<base::ByteView> first, const resp::RequestCutter& cutter,
                    machine::Machine& machine, base::DatabaseIndex database);

  size_t asked_ = 0;  // of the requests to come
  bool is_reading_ = false;
};

}  // namespace alfheim::server
