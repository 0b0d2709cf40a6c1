// Flipped bits in the files of the index's real store (sim/rot.h).
#include <rocksdb/env.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <vector>

#include "base/check.h"
#include "base/format.h"
#include "base/text.h"
#include "index/rocks_store.h"
#include "sim/apart.h"
#include "sim/hands/sim_disk.h"
#include "sim/image_disk.h"
#include "sim/rot.h"
#include "sim/store_files.h"

namespace alfheim::sim {
namespace {

constexpr char kDir[] = "/index";
constexpr uint64_t kSstBytes = 8192;
constexpr uint64_t kIngestCount = 5;
constexpr uint64_t kBlockBytesMax = 4608;  // RocksDB ends one at 4 KiB, and a record later
constexpr uint64_t kGetEvery = 8;  // keys of a state that are asked for one by one; a walk sees all
constexpr uint64_t kFailuresShownMax = 20;
constexpr uint64_t kCompactionEvery = 100;  // RocksDB takes a second over one that fails

using Records = std::map<base::Bytes, base::Bytes>;

class Source final : public index::SortedSource {
 public:
  using Changes = std::map<base::Bytes, std::optional<base::Bytes>>;
  explicit Source(const Changes& changes) : at_(changes.begin()), end_(changes.end()) {}
  bool next(index::SortedRecord& record) override {
    if (at_ == end_) return false;
    record.key = at_->first;
    record.value = at_->second ? std::optional<base::ByteView>(*at_->second) : std::nullopt;
    ++at_;
    return true;
  }

 private:
  Changes::const_iterator at_;
  const Changes::const_iterator end_;
};

base::Result<std::unique_ptr<index::RocksStore>> open_store(rocksdb::Env& env) {
  index::RocksStore::Options options;
  options.dir = kDir;
  options.sst_bytes = kSstBytes;
  options.block_cache_bytes = 1 << 20;
  options.env = &env;
  return index::RocksStore::open(options);
}

void must(const base::Status& status) {
  ALF_CHECK_MSG(status.is_ok(), status.is_ok() ? "" : status.error().message);
}

class StoreRot {
 public:
  explicit StoreRot(uint64_t seed) {
    SimRandom random(seed);
    SimDisk disk({.seed = seed});
    states_.emplace_back();
    {
      const auto env = make_store_env(disk);
      auto store = open_store(*env);
      ALF_CHECK(store.is_ok());
      for (uint64_t i = 1; i <= kIngestCount; ++i) {
        ingest(**store, random, i);
        if (i == 3) must((*store)->compact_all());
      }
    }
    must(image_.copy_from(disk, kDir));
  }

  const ImageDisk& image() const { return image_; }

  // Empty where all held.
  std::string judge(const std::string& path, uint64_t byte, unsigned bit, RotResult& result,
                    bool& is_opening) {
    ++result.flip_count;
    ImageDisk disk(image_);
    disk.flip_bit(path, byte, bit);
    const bool is_table = path.ends_with(".sst");
    const auto env = make_store_env(disk);
    is_opening = is_table;
    const auto store = open_store(*env);
    is_opening = false;
    if (!store) {
      ++result.open_count;
      const bool is_named = !is_table || store.error().message.find(path) != std::string::npos;
      return is_named ? ""
                      : "it does not open, but does not say which file: " + store.error().message;
    }
    const uint64_t applied = (*store)->persisted_applied();
    // The end of a manifest that is not whole looks like one that was torn: the store goes back
    // to an earlier ingest, says so, and the log is applied from there.
    if (applied >= states_.size() || (is_table && applied + 1 != states_.size())) {
      return base::format("the store says that {} is applied", applied);
    }
    bool is_found = false;
    std::string words = judge_reads(**store, states_[applied], path, is_found);
    if (words.empty()) words = judge_check(**store, path, byte, is_found);
    if (words.empty() && is_table && !is_found) words = "nobody finds it";
    const bool is_compacted = result.flip_count % kCompactionEvery == 0;
    if (words.empty() && is_table && is_compacted) words = judge_compaction(**store, path);
    ++(is_found ? result.read_count : result.harmless_count);
    return words;
  }

 private:
  void ingest(index::RocksStore& store, SimRandom& random, uint64_t applied) {
    Source::Changes changes;
    Records next = states_.back();
    for (int i = 0; i < 120; ++i) {
      const base::Bytes key = "\x01key:" + std::to_string(random.below(400));
      if (random.below(8) == 0) {
        changes[key] = std::nullopt;
        next.erase(key);
        continue;
      }
      base::Bytes value;
      const uint64_t words = random.between(1, 12);
      for (uint64_t j = 0; j < words; ++j) base::put_u64(value, random.next_u64());
      changes[key] = value;
      next[key] = value;
    }
    Source source(changes);
    must(store.ingest(source, applied));
    states_.push_back(std::move(next));
  }

  static std::string judge_error(const base::Error& error, const std::string& path) {
    if (error.code == base::ErrorCode::kCorruption &&
        error.message.find(path) != std::string::npos) {
      return {};
    }
    return base::format("an error without the file: {}: {}", base::error_code_name(error.code),
                        error.message);
  }
  std::string judge_reads(index::RocksStore& store, const Records& expected,
                          const std::string& path, bool& is_found) const {
    const auto snapshot = store.snapshot();
    base::Bytes scratch;
    uint64_t number = 0;
    for (const auto& [key, value] : expected) {
      if (number++ % kGetEvery != 0) continue;
      const auto found = snapshot->get(key, env::ReadMode::kMayBlock, scratch);
      if (!found) {
        is_found = true;
        if (std::string words = judge_error(found.error(), path); !words.empty()) return words;
      } else if (!*found || **found != value) {
        return "a wrong value is served for " + base::to_quoted(key);
      }
    }
    const auto cursor = snapshot->scan({});
    auto at = expected.begin();
    for (cursor->seek({}); cursor->is_valid(); cursor->next(), ++at) {
      if (at == expected.end() || cursor->key() != at->first || cursor->value() != at->second) {
        return base::format("a walk serves a wrong record at {}, expected {}; status {}",
                            base::to_quoted(cursor->key()),
                            at == expected.end() ? "the end" : base::to_quoted(at->first),
                            cursor->status() ? "ok" : cursor->status().error().message);
      }
    }
    const base::Status status = cursor->status();
    if (!status) {
      is_found = true;
      return judge_error(status.error(), path);
    }
    return at == expected.end() ? "" : "a walk misses " + base::to_quoted(at->first);
  }
  // Nobody asks for compactions: what one of them met, the next ingest must tell.
  std::string judge_ingest(index::RocksStore& store, const std::string& path) const {
    Source::Changes changes;
    changes["\x01key:after"] = "v";
    Source source(changes);
    const base::Status ingested = store.ingest(source, states_.size());
    if (ingested) return "an ingest after a compaction that failed is taken";
    const base::Error& error = ingested.error();
    if (error.message.find("offset") == std::string::npos) {
      return "an error without the offset: " + error.message;
    }
    return judge_error(error, path);
  }
  // A compaction must not take what it cannot read for nothing.
  std::string judge_compaction(index::RocksStore& store, const std::string& path) const {
    const base::Status compacted = store.compact_all();
    if (!compacted) {
      const std::string words = judge_error(compacted.error(), path);
      return words.empty() ? judge_ingest(store, path) : words;
    }
    bool is_found = false;
    const std::string words = judge_reads(store, states_.back(), path, is_found);
    return words.empty() ? words : "after a compaction " + words;
  }
  static std::string judge_check(const index::RocksStore& store, const std::string& path,
                                 uint64_t byte, bool& is_found) {
    std::string problem;
    const base::Status checked =
        store.verify_files([&](const std::string& file, uint64_t offset, const std::string& words) {
          is_found = true;
          if (file == path && offset <= byte && byte - offset < kBlockBytesMax) return;
          problem = base::format("the check reports {}:{}: {}", file, offset, words);
        });
    if (!checked) return "the check fails: " + checked.error().message;
    return problem;
  }

  std::vector<Records> states_;  // by what is applied
  ImageDisk image_;
};

// How far a child has come: what outlives it.
struct Progress {
  RotResult result;
  uint64_t number = 0;  // of the bit that is flipped, counted from 1 through all files
  bool is_opening = false;
  char replay[200] = {};
};

void rot_on(const RotOptions& options, Progress& progress) {
  StoreRot rot(options.seed);
  const uint64_t begun = progress.number;
  uint64_t number = 0;
  for (const std::string& path : rot.image().paths()) {
    const uint64_t bits = rot.image().content(path).size() * 8;
    for (uint64_t bit = 0; bit < bits; ++bit) {
      ++number;
      const bool is_wanted = options.file.empty() ? (number + options.offset) % options.every == 0
                                                  : options.file == path && options.bit == bit;
      if (!is_wanted || number <= begun) continue;
      progress.number = number;
      std::snprintf(progress.replay, sizeof progress.replay,
                    "alfsim --rot-store --seed %llu --file %s --bit %llu",
                    static_cast<unsigned long long>(options.seed), path.c_str(),
                    static_cast<unsigned long long>(bit));
      const std::string words = rot.judge(path, bit / 8, static_cast<unsigned>(bit % 8),
                                          progress.result, progress.is_opening);
      if (words.empty() || ++progress.result.failure_count > kFailuresShownMax) continue;
      std::printf("%s, bit %llu: %s\n  replay: %s\n", path.c_str(),
                  static_cast<unsigned long long>(bit), words.c_str(), progress.replay);
      std::fflush(stdout);
    }
  }
}

}  // namespace

RotResult rot_store(const RotOptions& options) {
  const Outliving<Progress> progress;
  // RocksDB has threads, so it lives in the child alone.
  for (;;) {
    const int status = run_apart([&] { rot_on(options, *progress); });
    if (has_ended_well(status)) break;
    RotResult& result = progress->result;
    const bool is_assertion =
        WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && progress->is_opening;
    ++(is_assertion ? result.death_count : result.failure_count);
    if (is_assertion) continue;
    std::printf("a process ended with status %d\n  replay: %s\n", status, progress->replay);
    std::fflush(stdout);
    if (!options.file.empty() || progress->number == 0) break;
  }
  return progress->result;
}

}  // namespace alfheim::sim
