// index/warm_part: records of the Store on their way into memory, before anybody asks for them.
//
// After a start memory holds nothing, and each record would be brought by the first who asks for
// it, one by one. A part holds some that follow each other in the Store's order, which costs a
// thirtieth of looking for each. Index::next_warm_part makes it, run() reads, and
// Index::take_warm keeps.
//
// Thread: run() on any, once; else as Index's apply strand. Lifetime: the Store outlives it.
#pragma once

#include <memory>
#include <vector>

#include "index/store.h"

namespace alfheim::index {

class WarmPart {
 public:
  // kWouldBlock never; on another error the part holds what stood before the bad place.
  base::Status run();

 private:
  friend class Index;
  struct Place {
    uint32_t key_bytes;
    uint32_t value_bytes;
  };
  // Records of [from, behind `kind`).
  WarmPart(std::shared_ptr<const StoreSnapshot> snapshot, Bytes from)
      : snapshot_(std::move(snapshot)), from_(std::move(from)) {}

  const std::shared_ptr<const StoreSnapshot> snapshot_;  // shared with views of its time
  const Bytes from_;
  Bytes next_;            // where the part behind this one begins
  bool is_last_ = false;  // there is none
  Bytes bytes_;           // key, value, key, value, ...
  std::vector<Place> places_;
  size_t taken_ = 0;  // of places_
  size_t taken_bytes_ = 0;
};

}  // namespace alfheim::index
