#include "index/twin_store.h"

#include <iterator>

#include "base/check.h"
#include "base/crc32c.h"

namespace alfheim::index {
namespace {

using Records = TwinDisk::Records;

// What decides whether a read would block: one splitmix64 step per read.
struct Chance {
  std::atomic<uint64_t>& state;
  uint32_t per_1000;

  bool strikes() const {
    if (per_1000 == 0) return false;
    uint64_t z = state.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % 1000 < per_1000;
  }
};

const base::Error kWouldBlockError{base::ErrorCode::kWouldBlock, "not in memory"};

class TwinCursor final : public Cursor {
 public:
  TwinCursor(std::shared_ptr<const Records> records, ScanOptions options, Chance chance)
      : records_(std::move(records)),
        chance_(chance),
        begin_(records_->lower_bound(options.lower)),
        end_(options.upper.empty() ? records_->end() : records_->lower_bound(options.upper)),
        at_(records_->end()),
        mode_(options.mode) {}

  void seek(ByteView key) override {
    settle(records_->lower_bound(key));
    // Before the first record of the bounds is at it.
    if (key_is_before_bounds(key)) settle(begin_);
  }
  void seek_for_prev(ByteView key) override {
    auto behind = records_->upper_bound(key);
    if (end_ != records_->end() && (behind == records_->end() || end_->first < behind->first)) {
      behind = end_;
    }
    step_back(behind);
  }
  void next() override {
    ALF_CHECK(is_valid());
    settle(std::next(at_));
  }
  void prev() override {
    ALF_CHECK(is_valid());
    step_back(at_);
  }
  bool is_valid() const override { return is_valid_; }
  ByteView key() const override { return at_->first; }
  ByteView value() const override { return at_->second; }
  base::Status status() const override {
    if (is_blocked_) return kWouldBlockError;
    return base::ok();
  }

 private:
  using Place = Records::const_iterator;
  bool key_is_before_bounds(ByteView key) const {
    return begin_ != records_->end() && key < begin_->first;
  }
  void step_back(Place behind) {
    if (behind == records_->begin()) return settle(records_->end());
    settle(std::prev(behind));
  }
  void settle(Place place) {
    is_blocked_ = mode_ == ReadMode::kMemoryOnly && chance_.strikes();
    at_ = place;
    is_valid_ = !is_blocked_ && at_ != records_->end() && begin_ != records_->end() &&
                at_->first >= begin_->first &&
                (end_ == records_->end() || at_->first < end_->first);
  }

  const std::shared_ptr<const Records> records_;
  const Chance chance_;
  const Place begin_;
  const Place end_;
  Place at_;
  const ReadMode mode_;
  bool is_valid_ = false;
  bool is_blocked_ = false;
};

class TwinSnapshot final : public StoreSnapshot {
 public:
  TwinSnapshot(std::shared_ptr<const Records> records, Chance chance)
      : records_(std::move(records)), chance_(chance) {}

  base::Result<std::optional<ByteView>> get(ByteView key, ReadMode mode,
                                            Bytes& scratch) const override {
    if (mode == ReadMode::kMemoryOnly && chance_.strikes()) return kWouldBlockError;
    const auto found = records_->find(key);
    if (found == records_->end()) return std::optional<ByteView>();
    scratch = found->second;
    return std::optional<ByteView>(scratch);
  }
  std::unique_ptr<Cursor> scan(ScanOptions options) const override {
    return std::make_unique<TwinCursor>(records_, std::move(options), chance_);
  }

 private:
  const std::shared_ptr<const Records> records_;  // shared with the disk and other snapshots
  const Chance chance_;
};

}  // namespace

TwinStore::TwinStore(std::shared_ptr<TwinDisk> disk, Options options)
    : disk_(std::move(disk)),
      would_block_per_1000_(options.would_block_per_1000),
      chance_(options.seed),
      is_full_(options.is_full),
      fails_ingest_(options.fails_ingest) {}

std::shared_ptr<const StoreSnapshot> TwinStore::snapshot() {
  return std::make_shared<TwinSnapshot>(disk_->content().records,
                                        Chance{chance_, would_block_per_1000_});
}

base::Status TwinStore::ingest(SortedSource& records, uint64_t applied) {
  if (fails_ingest_) return base::Error{base::ErrorCode::kIo, "ingest on the twin: told to fail"};
  if (lacks_room_) {
    return base::Error{base::ErrorCode::kNoSpace, "ingest on the twin: the disk is full"};
  }
  const TwinDisk::Content old = disk_->content();
  ALF_CHECK_MSG(applied >= old.applied, "the persisted state never goes back");
  auto copy = std::make_shared<Records>(*old.records);
  SortedRecord record;
  Bytes last(1, kStoreKind);
  while (records.next(record)) {
    ALF_CHECK_MSG(ByteView(last) < record.key, "an ingest is strictly ascending");
    last = record.key;
    if (record.value) {
      copy->insert_or_assign(last, Bytes(*record.value));
    } else {
      copy->erase(last);
    }
  }
  disk_->replace({std::move(copy), applied});
  return base::ok();
}

base::Result<uint64_t> TwinStore::checkpoint(env::Disk& disk, const std::string& dir) {
  const TwinDisk::Content content = disk_->content();
  Bytes bytes;
  base::put_u64(bytes, content.applied);
  for (const auto& [key, value] : *content.records) {
    base::put_prefixed(bytes, key);
    base::put_prefixed(bytes, value);
  }
  base::put_u32(bytes, base::crc32c(bytes));
  ALF_TRY_STATUS(disk.make_dir(dir));
  ALF_TRY(
      const std::unique_ptr<env::File> file,
      disk.open(dir + "/" + std::string(kTwinFileName), {.is_writable = true, .create_new = true}));
  ALF_TRY_STATUS(file->write_at(0, bytes));
  return content.applied;
}

base::Result<TwinDisk::Content> read_twin_checkpoint(env::Disk& disk, const std::string& dir) {
  const std::string path = dir + "/" + std::string(kTwinFileName);
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  ALF_TRY(const uint64_t size_bytes, file->size_bytes());
  Bytes bytes(size_bytes, '\0');
  ALF_TRY(const size_t length, file->read_at(0, bytes));
  bytes.resize(length);
  const base::Error damaged{base::ErrorCode::kCorruption, "read " + path + ": it is damaged"};
  constexpr size_t kCrcBytes = sizeof(uint32_t);
  if (bytes.size() < kCrcBytes) return damaged;
  const ByteView content(bytes.data(), bytes.size() - kCrcBytes);
  uint32_t crc = 0;
  base::Reader trailer(ByteView(bytes).substr(content.size()));
  TwinDisk::Content found;
  base::Reader reader(content);
  if (!trailer.get_u32(crc) || crc != base::crc32c(content)) return damaged;
  if (!reader.get_u64(found.applied)) return damaged;
  auto records = std::make_shared<Records>();
  while (!reader.is_empty()) {
    ByteView key;
    ByteView value;
    if (!reader.get_prefixed(key) || !reader.get_prefixed(value)) return damaged;
    records->emplace_hint(records->end(), Bytes(key), Bytes(value));
  }
  found.records = std::move(records);
  return found;
}

uint64_t TwinStore::approximate_bytes(ByteView lower, ByteView upper) const {
  const auto records = disk_->content().records;
  uint64_t bytes = 0;
  for (auto at = records->lower_bound(lower); at != records->end() && at->first < upper; ++at) {
    bytes += at->first.size() + at->second.size();
  }
  return bytes;
}

}  // namespace alfheim::index
