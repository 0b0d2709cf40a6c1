#include "sim/hands/sim_file_image.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kSectorsPerBlock = env::kBlockBytes / kSectorBytes;
static_assert(env::kBlockBytes % kSectorBytes == 0);

// Calls visit(sector, offset in the sector, part of data) for each sector that data touches.
template <typename Visit>
void for_each_sector(uint64_t offset_bytes, base::ByteView data, Visit visit) {
  while (!data.empty()) {
    const size_t inside = offset_bytes % kSectorBytes;
    const size_t length = std::min(kSectorBytes - inside, data.size());
    visit(offset_bytes / kSectorBytes, inside, data.substr(0, length));
    offset_bytes += length;
    data.remove_prefix(length);
  }
}

}  // namespace

uint64_t FileImage::allocated_bytes() const {
  return (size_bytes_ + env::kBlockBytes - 1) / env::kBlockBytes * env::kBlockBytes;
}

size_t FileImage::read(uint64_t offset_bytes, std::span<char> out) const {
  if (offset_bytes >= size_bytes_) return 0;
  const size_t length = std::min<uint64_t>(out.size(), size_bytes_ - offset_bytes);
  size_t done = 0;
  while (done < length) {
    const uint64_t at = offset_bytes + done;
    const size_t inside = at % env::kBlockBytes;
    const size_t part = std::min(env::kBlockBytes - inside, length - done);
    const auto found = blocks_.find(at / env::kBlockBytes);
    if (found == blocks_.end()) {
      std::memset(out.data() + done, 0, part);
    } else {
      std::memcpy(out.data() + done, found->second->data() + inside, part);
    }
    done += part;
  }
  return length;
}

bool FileImage::is_unreadable(uint64_t offset_bytes, size_t length) const {
  const auto first = unreadable_sectors_.lower_bound(offset_bytes / kSectorBytes);
  return first != unreadable_sectors_.end() && length > 0 &&
         *first <= (offset_bytes + length - 1) / kSectorBytes;
}

void FileImage::write(uint64_t offset_bytes, base::ByteView data) {
  if (data.empty()) return;
  for_each_sector(offset_bytes, data, [&](uint64_t sector, size_t inside, base::ByteView part) {
    remember(sector);
    Sector bytes = load_sector(sector);
    std::memcpy(bytes.data() + inside, part.data(), part.size());
    store_sector(sector, bytes);
    unreadable_sectors_.erase(sector);
  });
  const uint64_t end = offset_bytes + data.size();
  if (end > size_bytes_) {
    earlier_sizes_.push_back(size_bytes_);
    size_bytes_ = end;
  }
}

void FileImage::write_some(uint64_t offset_bytes, base::ByteView data, SimRandom& random) {
  for_each_sector(offset_bytes, data, [&](uint64_t sector, size_t inside, base::ByteView part) {
    if (random.coin()) write(sector * kSectorBytes + inside, part);
  });
}

void FileImage::set_size(uint64_t size_bytes) {
  if (size_bytes == size_bytes_) return;
  earlier_sizes_.push_back(size_bytes_);
  if (size_bytes < size_bytes_) {
    const uint64_t first = size_bytes / kSectorBytes;
    const uint64_t last = (size_bytes_ - 1) / kSectorBytes;
    for (uint64_t sector = first; sector <= last; ++sector) {
      // What has no block is zeros already: nothing to remember.
      if (blocks_.contains(sector / kSectorsPerBlock)) remember(sector);
    }
    cut_bytes_after(size_bytes);
  }
  size_bytes_ = size_bytes;
}

void FileImage::cut_bytes_after(uint64_t size_bytes) {
  const uint64_t block = size_bytes / env::kBlockBytes;
  const size_t inside = size_bytes % env::kBlockBytes;
  absl::erase_if(blocks_, [&](const auto& entry) {
    return entry.first > block || (entry.first == block && inside == 0);
  });
  if (const auto found = blocks_.find(block); found != blocks_.end()) {
    std::memset(found->second->data() + inside, 0, env::kBlockBytes - inside);
  }
}

void FileImage::sync() {
  std::erase_if(unsynced_, [](const auto& entry) { return !entry.second.is_forgotten; });
  commit_size();
}

void FileImage::sync_range(uint64_t offset_bytes, size_t length) {
  if (length > 0) {
    const auto first = unsynced_.lower_bound(offset_bytes / kSectorBytes);
    const auto last = unsynced_.upper_bound((offset_bytes + length - 1) / kSectorBytes);
    unsynced_.erase(first, last);
  }
  commit_size();
}

bool FileImage::has_only_appends() const {
  return orders_appends_ && std::is_sorted(earlier_sizes_.begin(), earlier_sizes_.end()) &&
         (earlier_sizes_.empty() || earlier_sizes_.back() <= size_bytes_) &&
         std::none_of(unsynced_.begin(), unsynced_.end(),
                      [](const auto& entry) { return entry.second.is_forgotten; });
}

void FileImage::sync_some(SimRandom& random) {
  // Which part of it is there, the crash will draw.
  if (has_only_appends()) return;
  std::erase_if(unsynced_,
                [&](const auto& entry) { return !entry.second.is_forgotten && random.coin(); });
  if (random.coin()) commit_size();
}

void FileImage::fail_sync(SimRandom& random) {
  sync_some(random);
  for (auto& [sector, history] : unsynced_) history.is_forgotten = true;
}

void FileImage::crash_in_order(SimRandom& random, const CrashOptions& options) {
  const uint64_t durable = earlier_sizes_.empty() ? size_bytes_ : earlier_sizes_.front();
  const bool is_drawn = options.keep_sector_ppm > 0 && options.keep_sector_ppm < kAlwaysPpm;
  if (options.keep_sector_ppm == 0) size_bytes_ = durable;
  if (is_drawn) size_bytes_ = random.between(durable, size_bytes_);
  unsynced_.clear();
  commit_size();
  cut_bytes_after(size_bytes_);
}

void FileImage::crash(SimRandom& random, const CrashOptions& options) {
  if (has_only_appends()) return crash_in_order(random, options);
  if (options.block_damage_ppm > 0) damage_blocks(random, options);
  uint64_t certain_from = std::numeric_limits<uint64_t>::max();
  const uint64_t size = pick_size(random, options, certain_from);
  for (const auto& [sector, history] : unsynced_) {
    const bool is_certain = history.is_forgotten || sector >= certain_from;
    store_sector(sector, is_certain ? history.earlier.front()
                                    : pick_sector(sector, history, random, options));
  }
  unsynced_.clear();
  commit_size();
  size_bytes_ = size;
  cut_bytes_after(size);
}

uint64_t FileImage::pick_size(SimRandom& random, const CrashOptions& options,
                              uint64_t& certain_from) const {
  uint64_t size = size_bytes_;
  uint64_t smallest_after = size_bytes_;
  for (auto earlier = earlier_sizes_.rbegin(); earlier != earlier_sizes_.rend(); ++earlier) {
    if (random.chance_ppm(options.keep_sector_ppm)) break;
    smallest_after = std::min(smallest_after, size);
    size = *earlier;
  }
  // A cut that did not reach the disk did not free the sectors behind it either.
  if (size > smallest_after) certain_from = (smallest_after + kSectorBytes - 1) / kSectorBytes;
  return size;
}

FileImage::Sector FileImage::pick_sector(uint64_t sector, const History& history, SimRandom& random,
                                         const CrashOptions& options) const {
  const Sector newest = load_sector(sector);
  if (random.chance_ppm(options.torn_sector_ppm)) {
    Sector torn = history.earlier[random.below(history.earlier.size())];
    const size_t cut = random.below(kSectorBytes + 1);
    if (random.coin()) {
      std::copy_n(newest.begin(), cut, torn.begin());
    } else {
      std::copy(newest.begin() + cut, newest.end(), torn.begin() + cut);
    }
    if (random.below(4) == 0) {
      const size_t first = random.below(kSectorBytes);
      const size_t last = random.between(first, kSectorBytes - 1);
      for (size_t i = first; i <= last; ++i) torn[i] = static_cast<char>(random.next_u64());
    }
    return torn;
  }
  if (random.chance_ppm(options.keep_sector_ppm)) return newest;
  for (size_t i = history.earlier.size() - 1; i > 0; --i) {
    if (random.chance_ppm(options.keep_sector_ppm)) return history.earlier[i];
  }
  return history.earlier.front();
}

void FileImage::damage_blocks(SimRandom& random, const CrashOptions& options) {
  std::set<uint64_t> dirty_blocks;
  for (const auto& entry : unsynced_) dirty_blocks.insert(entry.first / kSectorsPerBlock);
  for (const uint64_t block : dirty_blocks) {
    if (!random.chance_ppm(options.block_damage_ppm)) continue;
    const uint64_t sector = block * kSectorsPerBlock + random.below(kSectorsPerBlock);
    if (unsynced_.contains(sector)) continue;  // that one has its own fate
    Sector garbage;
    for (char& byte : garbage) byte = static_cast<char>(random.next_u64());
    store_sector(sector, garbage);
  }
}

void FileImage::flip_bit(uint64_t offset_bytes, unsigned bit) {
  ALF_CHECK(offset_bytes < size_bytes_);
  ALF_CHECK(bit < 8);
  const uint64_t sector = offset_bytes / kSectorBytes;
  const size_t inside = offset_bytes % kSectorBytes;
  Sector bytes = load_sector(sector);
  bytes[inside] = static_cast<char>(static_cast<uint8_t>(bytes[inside]) ^ (1u << bit));
  store_sector(sector, bytes);
}

void FileImage::make_unreadable(uint64_t offset_bytes, size_t length) {
  ALF_CHECK(length > 0);
  const uint64_t last = (offset_bytes + length - 1) / kSectorBytes;
  for (uint64_t sector = offset_bytes / kSectorBytes; sector <= last; ++sector) {
    unreadable_sectors_.insert(sector);
  }
}

FileImage::Sector FileImage::load_sector(uint64_t sector) const {
  Sector bytes{};
  const auto found = blocks_.find(sector / kSectorsPerBlock);
  if (found != blocks_.end()) {
    const size_t inside = sector % kSectorsPerBlock * kSectorBytes;
    std::memcpy(bytes.data(), found->second->data() + inside, kSectorBytes);
  }
  return bytes;
}

void FileImage::store_sector(uint64_t sector, const Sector& bytes) {
  std::unique_ptr<Block>& block = blocks_[sector / kSectorsPerBlock];
  if (block == nullptr) block = std::make_unique<Block>(Block{});
  const size_t inside = sector % kSectorsPerBlock * kSectorBytes;
  std::memcpy(block->data() + inside, bytes.data(), kSectorBytes);
}

// Keeps the present content of a sector as one that a crash may bring back.
void FileImage::remember(uint64_t sector) {
  History& history = unsynced_[sector];
  if (history.is_forgotten) {
    // The forgotten content never reached the disk; what the disk holds stays the oldest.
    history.is_forgotten = false;
    history.earlier.resize(1);
    return;
  }
  if (history.earlier.size() == kEarlierVersionsMax) {
    history.earlier.erase(history.earlier.begin() + 1);
  }
  history.earlier.push_back(load_sector(sector));
}

}  // namespace alfheim::sim
