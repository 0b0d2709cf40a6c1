// types/record_source: the seams through which the types reach records and separated values.
//
// RecordSource is one state of the index: a loop's read guard, a view, or the transaction
// of a command in apply (its own writes seen first). ValueSource is the value log.
// kWouldBlock from either means: run the whole command again where blocking is allowed;
// reads have no effects, so running them again is harmless.
//
// Thread: that of the object behind it. Lifetime: of one command.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "vlog/address.h"

namespace alfheim::types {

// Walks records in key order. After seek/next/prev ask is_valid, then status.
class RecordCursor {
 public:
  virtual ~RecordCursor() = default;
  virtual void seek(base::ByteView key) = 0;           // to the first record >= key
  virtual void seek_for_prev(base::ByteView key) = 0;  // to the last record <= key
  virtual void next() = 0;
  virtual void prev() = 0;
  virtual bool is_valid() const = 0;
  virtual base::ByteView key() const = 0;    // until the next move
  virtual base::ByteView value() const = 0;  // until the next move
  virtual base::Status status() const = 0;   // an error ends the walk
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // The record's bytes, valid until the next call or the end of the command, whichever is first
  // (a read may make room in the cache): copy what is needed longer. nullopt: there is none.
  virtual base::Result<std::optional<base::ByteView>> get(base::ByteView key,
                                                          base::Bytes& scratch) = 0;
  // Null where this source cannot walk (a loop's read guard): the caller answers kWouldBlock.
  virtual std::unique_ptr<RecordCursor> walk() = 0;
  // Of a string that lies in records, more than this at once is kWouldBlock.
  virtual uint64_t bytes_at_once_max() const { return UINT64_MAX; }
};

// What apply writes into; only apply has one (invariant I5).
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void put(base::ByteView key, base::ByteView value) = 0;
  virtual void erase(base::ByteView key) = 0;
};

class ValueSource {
 public:
  virtual ~ValueSource() = default;
  // Appends [from, from + length) of the value to `out`. The whole value's checksum is
  // tested where the whole value is read; a mismatch is kCorruption, never wrong bytes.
  virtual base::Status read(const vlog::ValueAddress& address, uint64_t from, uint64_t length,
                            base::Bytes& out) = 0;
};

}  // namespace alfheim::types
