// index/store: the persisted side of the index, as a seam.
//
// A Store holds byte keys and byte values in bytewise order, and one opaque number: the
// `applied` of the last run it took in. It changes by one operation only: ingest() puts a
// sorted run of puts and deletes, together with its number, under all readers in one atomic
// and durable step. After a crash a Store is exactly as its last successful ingest left it.
//
// Everything is read through a StoreSnapshot, so what a reader sees never changes under it.
// The first byte of a key is its kind; kind 0 belongs to the Store itself (kStoreKind).
//
// Hands: RocksStore (real), TwinStore (a map and its last ingested copy, for the simulator).
//
// Thread: ingest from one thread at a time; all else from any thread. Lifetime: a Store
// outlives its snapshots, a snapshot its cursors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "env/disk.h"

namespace alfheim::index {

using base::Bytes;
using base::ByteView;
using env::ReadMode;

// Keys that begin with this byte are the Store's own: never written or seen by others.
inline constexpr char kStoreKind = '\0';

// A place in an order of keys. After seek, seek_for_prev, next and prev: is_valid() means that
// key() and value() are the record there, until the next move. Not valid means the end, or,
// when status() is not ok, that the place could not be read (kWouldBlock, kCorruption, kIo).
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void seek(ByteView key) = 0;           // to the first record with key >= `key`
  virtual void seek_for_prev(ByteView key) = 0;  // to the last record with key <= `key`
  virtual void next() = 0;                       // only when valid
  virtual void prev() = 0;                       // only when valid
  virtual bool is_valid() const = 0;
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
  virtual base::Status status() const = 0;
};

// What a cursor may touch. `lower` is included, `upper` is not; an empty bound is none.
// Narrow bounds are cheap, wide ones are not: see View::scan.
struct ScanOptions {
  ReadMode mode = ReadMode::kMayBlock;
  bool fills_cache = true;  // the Store's; not where what is read once is kept elsewhere
  Bytes lower;
  Bytes upper;
};

// One persisted state. Immutable; any thread.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
  // The value is copied into `scratch`, the result borrows from it. kWouldBlock in
  // kMemoryOnly where only the disk knows.
  virtual base::Result<std::optional<ByteView>> get(ByteView key, ReadMode mode,
                                                    Bytes& scratch) const = 0;
  virtual std::unique_ptr<Cursor> scan(ScanOptions options) const = 0;
};

// The records of one ingest in strictly ascending order of keys; what next() gave is valid
// until the next call.
struct SortedRecord {
  ByteView key;
  std::optional<ByteView> value;  // nothing: the key is deleted
};
class SortedSource {
 public:
  virtual ~SortedSource() = default;
  virtual bool next(SortedRecord& record) = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  virtual std::shared_ptr<const StoreSnapshot> snapshot() = 0;

  // Takes in all records and `applied`, or nothing. On an error the persisted state is the
  // old one or, if the error came from the last step, the new one: the owner must stop the
  // node, a reopened Store knows which. But for kNoSpace: there is no room. Snapshots show the
  // old state, and the owner asks again, with the same records and number, when there is some
  // (then it does not matter which of the two a crash would have left).
  virtual base::Status ingest(SortedSource& records, uint64_t applied) = 0;

  // The number of the last ingest; 0 where there was none.
  virtual uint64_t persisted_applied() const = 0;

  // False while an ingest should wait for compaction (level 0 is full).
  virtual bool can_ingest() const = 0;

  // Makes directory `dir` (its parent is there, it is not) with files that hold the persisted
  // state, and nothing of what is ingested later; its number. Opening them gives a Store of that
  // state, here or, when they were copied, on another node. The files may share their bytes with
  // the Store's own (hard links): nobody may write them. Not durable. `disk` is for a Store that
  // has no files of its own. Any thread; an ingest waits meanwhile. After an error `dir` may be
  // there in part.
  virtual base::Result<uint64_t> checkpoint(env::Disk& disk, const std::string& dir) = 0;

  // Roughly how many bytes the keys in [lower, upper) take on disk.
  virtual uint64_t approximate_bytes(ByteView lower, ByteView upper) const = 0;
};

}  // namespace alfheim::index
