#include "server/slow_log.h"

#include <algorithm>

#include "base/format.h"

namespace alfheim::server {
namespace {

// Redis's limits.
constexpr size_t kWordCountMax = 32;
constexpr size_t kWordBytesMax = 128;

std::string shortened(base::ByteView word) {
  if (word.size() <= kWordBytesMax) return std::string(word);
  return base::format("{}... ({} more bytes)", word.substr(0, kWordBytesMax),
                      word.size() - kWordBytesMax);
}

std::vector<std::string> shortened(const command::Arguments& args) {
  const size_t count = std::min(args.count(), kWordCountMax);
  const bool is_cut = args.count() > kWordCountMax;
  std::vector<std::string> words;
  words.reserve(count);
  for (size_t i = 0; i < count - (is_cut ? 1 : 0); ++i) words.push_back(shortened(args[i]));
  if (is_cut) {
    words.push_back(base::format("... ({} more arguments)", args.count() - kWordCountMax + 1));
  }
  return words;
}

}  // namespace

void SlowLog::note(uint64_t wall_us, uint64_t duration_us, const command::Arguments& args,
                   const ClientInfo& client) {
  if (!wants(duration_us)) return;
  Entry entry{.id = 0,
              .time_s = wall_us / 1'000'000,
              .duration_us = duration_us,
              .words = shortened(args),
              .client_address = address_text(client.peer),
              .client_name = client.names().name};
  const size_t length_max = config_.slowlog_length_max();
  const std::lock_guard lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > length_max) entries_.pop_back();
}

std::vector<SlowLog::Entry> SlowLog::newest(size_t count_max) const {
  const std::lock_guard lock(mutex_);
  const size_t count = std::min(count_max, entries_.size());
  return {entries_.begin(), entries_.begin() + static_cast<ptrdiff_t>(count)};
}

size_t SlowLog::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void SlowLog::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

}  // namespace alfheim::server
