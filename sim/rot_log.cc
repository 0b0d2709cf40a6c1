// Flipped bits in META and segments (sim/rot.h).
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/format.h"
#include "sim/apart.h"
#include "sim/hands/sim_disk.h"
#include "sim/image_disk.h"
#include "sim/rot.h"
#include "vlog/batch_scanner.h"
#include "vlog/inspect.h"
#include "vlog/log.h"
#include "vlog/meta.h"
#include "vlog/segment_names.h"
#include "vlog/segment_reader.h"

namespace alfheim::sim {
namespace {

using base::LogIndex;

constexpr char kDir[] = "/log";
constexpr uint64_t kLargeValueBytes = 200'000;  // above what a loop reads a part of
constexpr uint64_t kMetaUsedBytes = 160;        // of a copy; zeros behind it
constexpr uint64_t kHeaderUsedBytes = 128;
constexpr uint64_t kFailuresShownMax = 10;  // of one process

enum class Use : uint8_t {
  kUsed,
  kNothing,  // spares, and what lies behind the data
  kTail,  // the last batch of a log that was not closed: a bad one was torn, as far as one can say
};

// A run of bytes of one file that belong together.
struct Region {
  std::string path;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t unit_begin = 0;  // a report must name an offset of this unit: a batch, a footer, ...
  uint64_t unit_end = 0;
  Use use = Use::kUsed;
  bool is_structure = false;
};

vlog::Log::Options log_options() {
  vlog::Log::Options options;
  options.dir = kDir;
  options.identity = {.cluster_uid = 0xa1f, .node = {1}, .group = {1}};
  options.segment_bytes = 6 * env::kBlockBytes;
  options.memory_tail_bytes = 0;  // reads go to the files
  options.prewritten_segment_count = 2;
  return options;
}

void must(const base::Status& status) {
  ALF_CHECK_MSG(status.is_ok(), status.is_ok() ? "" : status.error().message);
}

// A log with all that a directory can hold: sealed segments, one that truncates, one that was
// copied, a large one, an open one, recycled spares.
class Builder {
 public:
  explicit Builder(uint64_t seed) : random_(seed), disk_({.seed = seed}) { open(); }
  ~Builder() { log_.reset(); }

  void build(bool is_clean) {
    grow(30);
    next_ -= 3;
    ++term_;
    grow(12);
    log_.reset();
    disk_.kill_process();
    open();
    grow(8);
    must(log_->save_hard_state({{term_}, {1}}));
    large();
    must(log_->set_log_start(LogIndex{18}, *log_->term_at(LogIndex{17})));
    must(log_->drop_segment(log_->sealed_segments().front().id));
    must(log_->replenish_spares());
    grow(14);
    for (uint64_t index = 1; index < next_; ++index) {
      const auto entry = log_->read_entry(LogIndex{index});
      if (entry) truth.emplace(index, *entry);
    }
    hard_state = log_->hard_state();
    first_index = log_->first_index();
    if (is_clean) must(log_->close());
    log_.reset();
    disk_.kill_process();
    must(image.copy_from(disk_, kDir));
  }

  std::map<uint64_t, raft::Entry> truth;
  vlog::HardState hard_state;
  LogIndex first_index;
  ImageDisk image;

 private:
  void open() {
    auto log = vlog::Log::open(disk_, random_, log_options());
    ALF_CHECK_MSG(log.is_ok(), log.is_ok() ? "" : log.error().message);
    log_ = std::move(*log);
  }
  raft::Entry entry(uint64_t bytes) {
    auto payload = std::make_shared<base::Bytes>();
    while (payload->size() < bytes) base::put_u64(*payload, random_.next_u64());
    payload->resize(bytes);
    return {.index = {next_++},
            .term = {term_},
            .kind = raft::EntryKind::kCommands,
            .stamp = {1000 + next_},
            .seed = random_.next_u64(),
            .payload = std::move(payload)};
  }
  void grow(uint64_t count) {
    for (uint64_t done = 0; done < count;) {
      std::vector<raft::Entry> batch;
      const uint64_t together = random_.between(1, 3);
      for (uint64_t i = 0; i < together && done < count; ++i, ++done) {
        batch.push_back(entry(random_.between(0, 1500)));
      }
      must(log_->append(batch));
    }
  }
  void large() {
    const std::vector<raft::Entry> batch{entry(kLargeValueBytes + 100)};
    must(log_->append(batch));
  }

  SimRandom random_;
  SimDisk disk_;
  std::unique_ptr<vlog::Log> log_;
  uint64_t next_ = 1;
  uint64_t term_ = 1;
};

// Which bytes of the image are what.
class Cutter {
 public:
  Cutter(ImageDisk& image, bool is_clean) : image_(image), is_clean_(is_clean) {}

  std::vector<Region> cut() {
    uint64_t last_id = 0;
    for (const std::string& path : image_.paths()) last_id = std::max(last_id, id_of(path));
    for (const std::string& path : image_.paths()) {
      const uint64_t id = id_of(path);
      if (path == vlog::path_in(kDir, vlog::kMetaName)) {
        cut_meta(path);
      } else if (id != 0) {
        cut_segment(path, id, !is_clean_ && id == last_id);
      } else {
        unit(path, 0, image_.content(path).size(), Use::kNothing);
      }
    }
    return std::move(regions_);
  }

 private:
  static uint64_t id_of(const std::string& path) {
    return vlog::parse_segment_name(path.substr(path.rfind('/') + 1)).value_or(0);
  }
  void unit(const std::string& path, uint64_t begin, uint64_t end, Use use,
            uint64_t structure_bytes = 0) {
    add(path, begin, begin + structure_bytes, begin, end, use, true);
    add(path, begin + structure_bytes, end, begin, end, use, false);
  }
  void add(const std::string& path, uint64_t begin, uint64_t end, uint64_t unit_begin,
           uint64_t unit_end, Use use, bool is_structure) {
    if (begin == end) return;
    regions_.push_back({path, begin, end, unit_begin, unit_end, use, is_structure});
  }
  void cut_meta(const std::string& path) {
    for (uint64_t at = 0; at < vlog::kMetaFileBytes; at += vlog::kMetaBlockBytes) {
      unit(path, at, at + vlog::kMetaBlockBytes, Use::kUsed, kMetaUsedBytes);
    }
  }
  void cut_segment(const std::string& path, uint64_t id, bool has_tail) {
    auto opened = vlog::open_segment(image_, path, id);
    ALF_CHECK(opened.is_ok());
    const vlog::Segment& segment = *opened->segment;
    const uint64_t file_bytes = segment.header.file_bytes;
    unit(path, 0, vlog::kSegmentHeaderBytes, Use::kUsed, kHeaderUsedBytes);
    vlog::BatchScanner scanner(*segment.file, path, segment.header);
    const size_t first_batch = regions_.size();
    uint64_t last_begin = 0;
    for (uint64_t begin = scanner.offset_bytes();; begin = scanner.offset_bytes()) {
      if (segment.is_sealed && begin == segment.data_end_bytes) break;
      const auto batch = scanner.next();
      if (!batch) break;
      last_begin = begin;
      cut_batch(path, begin, *batch);
    }
    for (size_t i = first_batch; has_tail && i < regions_.size(); ++i) {
      if (regions_[i].unit_begin == last_begin) regions_[i].use = Use::kTail;
    }
    uint64_t footer_begin = file_bytes;
    if (segment.is_sealed) {
      footer_begin -= vlog::footer_bytes(opened->footer.footer->places.size(),
                                         opened->footer.footer->runs.size());
    }
    unit(path, scanner.offset_bytes(), footer_begin, Use::kNothing);
    unit(path, footer_begin, file_bytes, Use::kUsed, file_bytes - footer_begin);
  }
  void cut_batch(const std::string& path, uint64_t begin, const vlog::ScannedBatch& batch) {
    const uint64_t end = begin + batch.header.padded_bytes();
    uint64_t at = begin;
    const auto part = [&](uint64_t bytes, bool is_structure) {
      add(path, at, at + bytes, begin, end, Use::kUsed, is_structure);
      at += bytes;
    };
    part(vlog::kBatchHeaderBytes, true);
    for (const vlog::ScannedRecord& record : batch.records) {
      part(vlog::kRecordHeaderBytes, true);
      part(record.place.payload_bytes, false);
    }
    part(end - at, false);
  }

  ImageDisk& image_;
  const bool is_clean_;
  std::vector<Region> regions_;
};

// One directory, and what must be true of it with any one bit flipped.
class LogRot {
 public:
  LogRot(uint64_t seed, bool is_clean) : builder_(seed), is_clean_(is_clean) {
    builder_.build(is_clean);
    regions_ = Cutter(builder_.image, is_clean).cut();
  }

  const std::vector<Region>& regions() const { return regions_; }

  // Empty where all held.
  std::string judge(const Region& region, uint64_t byte, unsigned bit, RotResult& result) {
    ImageDisk disk(builder_.image);
    disk.flip_bit(region.path, byte, bit);
    ++result.flip_count;
    bool is_found = false;
    if (std::string words = judge_check(disk, region, is_found); !words.empty()) return words;
    SimRandom random(1);
    auto log = vlog::Log::open(disk, random, log_options());
    if (!log) {
      ++result.open_count;
      if (region.use == Use::kNothing) return "harmless, but the log does not open";
      return judge_words(region, log.error());
    }
    std::string words = judge_reads(**log, region, is_found);
    ++(is_found                      ? result.read_count
       : region.use == Use::kNothing ? result.harmless_count
                                     : result.torn_count);
    if (words.empty() && region.use == Use::kUsed && !is_found) return "nobody finds it";
    return words;
  }

 private:
  // `alfctl check` names the file and a place in the unit that is bad; else it has nothing to say.
  std::string judge_check(ImageDisk& disk, const Region& region, bool& is_named) const {
    std::string other;
    const auto inspected = vlog::verify_directory(disk, kDir, [&](const vlog::Problem& problem) {
      const bool is_here = problem.path == region.path &&
                           problem.offset_bytes >= region.unit_begin &&
                           problem.offset_bytes < region.unit_end;
      is_named = is_named || is_here;
      if (!is_here && problem.is_error) {
        other = base::format("the check reports {}:{}: {}", problem.path, problem.offset_bytes,
                             problem.words);
      }
    });
    if (!inspected) return "the check failed: " + inspected.error().message;
    if (region.use == Use::kUsed && !is_named) {
      return other.empty() ? "the check does not find it" : other;
    }
    if (region.use == Use::kNothing && (is_named || !other.empty())) {
      return "harmless, but reported: " + other;
    }
    return {};
  }
  std::string judge_words(const Region& region, const base::Error& error) const {
    const bool is_said = error.code == base::ErrorCode::kCorruption &&
                         error.message.find(region.path) != std::string::npos &&
                         error.message.find("offset_bytes=") != std::string::npos;
    if (is_said) return {};
    return base::format("an error without the file or the offset: {}: {}",
                        base::error_code_name(error.code), error.message);
  }
  std::string judge_reads(const vlog::Log& log, const Region& region, bool& is_found) const {
    const uint64_t last = builder_.truth.rbegin()->first;
    const bool is_shorter = log.last_index().value < last;
    if (log.last_index().value > last || (is_shorter && region.use != Use::kTail)) {
      return base::format("the log ends at {}, not at {}", log.last_index().value, last);
    }
    if (log.hard_state() != builder_.hard_state || log.first_index() != builder_.first_index) {
      return "META is another one";
    }
    for (const auto& [index, truth] : builder_.truth) {
      if (LogIndex{index} > log.last_index()) break;
      const auto entry = log.read_entry(LogIndex{index});
      if (!entry) {
        is_found = true;
        if (std::string words = judge_words(region, entry.error()); !words.empty()) return words;
      } else if (!is_same(*entry, truth)) {
        return base::format("entry {} is served wrong", index);
      }
      if (std::string words = judge_value(log, region, truth, is_found); !words.empty()) {
        return words;
      }
    }
    return judge_replay(log, region);
  }
  std::string judge_value(const vlog::Log& log, const Region& region, const raft::Entry& truth,
                          bool& is_found) const {
    constexpr uint32_t kBefore = 8;
    constexpr uint64_t kPartBytes = 100;
    if (truth.bytes().size() <= kBefore) return {};
    const base::ByteView value = truth.bytes().substr(kBefore);
    const vlog::ValueAddress address{truth.index, kBefore, static_cast<uint32_t>(value.size()),
                                     base::crc32c(value)};
    const uint64_t middle = value.size() / 2;
    for (const auto& [from, length] :
         {std::pair<uint64_t, uint64_t>{0, value.size()}, {middle, kPartBytes}}) {
      base::Bytes out;
      const base::Status status =
          log.read_value(address, from, length, out, env::ReadMode::kMayBlock);
      if (!status) {
        is_found = true;
        if (std::string words = judge_words(region, status.error()); !words.empty()) return words;
      } else if (out != value.substr(from, length)) {
        return base::format("the value in entry {} is served wrong from byte {} on",
                            truth.index.value, from);
      }
    }
    return {};
  }
  std::string judge_replay(const vlog::Log& log, const Region& region) const {
    std::string words;
    const base::Status replayed =
        log.replay(log.first_index(), [&](const raft::Entry& entry) -> base::Status {
          if (!is_same(entry, builder_.truth.at(entry.index.value))) {
            words = base::format("entry {} is replayed wrong", entry.index.value);
          }
          return base::ok();
        });
    if (!words.empty() || replayed) return words;
    return judge_words(region, replayed.error());
  }
  static bool is_same(const raft::Entry& a, const raft::Entry& b) {
    return a.index == b.index && a.term == b.term && a.kind == b.kind && a.stamp == b.stamp &&
           a.seed == b.seed && a.bytes() == b.bytes();
  }

  Builder builder_;
  const bool is_clean_;
  std::vector<Region> regions_;
};

std::string replay_of(const RotOptions& options, const Region& region, uint64_t bit) {
  return base::format("alfsim --rot-log --seed {} --file {} --bit {}", options.seed, region.path,
                      bit);
}

// How far a process has come: what outlives it.
struct Progress {
  RotResult result;
  uint64_t done = 0;  // of the bits that are wanted, all processes' together
  char replay[200] = {};
};

// The share of one process: each bit whose turn it is, and that no earlier one has flipped.
void rot_share(LogRot& rot, const RotOptions& options, uint64_t job, Progress& progress) {
  uint64_t number = options.offset;
  uint64_t taken = 0;
  for (const Region& region : rot.regions()) {
    const uint64_t every = region.is_structure
                               ? std::max<uint64_t>(1, options.every / kStructureWeight)
                               : options.every;
    for (uint64_t bit = region.begin * 8; bit < region.end * 8; ++bit) {
      const bool is_wanted = options.file.empty()
                                 ? number++ % every == 0 && taken++ % options.jobs == job
                                 : options.file == region.path && options.bit == bit;
      if (!is_wanted || taken < progress.done) continue;
      progress.done = taken + 1;
      const std::string replay = replay_of(options, region, bit);
      std::snprintf(progress.replay, sizeof progress.replay, "%s", replay.c_str());
      const std::string words =
          rot.judge(region, bit / 8, static_cast<unsigned>(bit % 8), progress.result);
      if (words.empty() || ++progress.result.failure_count > kFailuresShownMax) continue;
      std::printf("%s, bit %llu (of %llu..%llu): %s\n  replay: %s\n", region.path.c_str(),
                  static_cast<unsigned long long>(bit),
                  static_cast<unsigned long long>(region.begin),
                  static_cast<unsigned long long>(region.end), words.c_str(), replay.c_str());
      std::fflush(stdout);
    }
  }
}

// In processes of their own: a flip that ends a process is a failure like others, and another
// process goes on behind it.
RotResult rot_in_processes(LogRot& rot, const RotOptions& options) {
  const Outliving<Progress> progress(options.jobs);
  std::map<pid_t, uint64_t> children;
  const auto start = [&](uint64_t job) {
    children.emplace(start_apart([&] { rot_share(rot, options, job, progress[job]); }), job);
  };
  for (uint64_t job = 0; job < options.jobs; ++job) start(job);
  while (!children.empty()) {
    int status = 0;
    const pid_t child = wait(&status);
    const auto found = children.find(child);
    ALF_CHECK(found != children.end());
    const uint64_t job = found->second;
    children.erase(found);
    if (has_ended_well(status)) continue;
    Progress& mine = progress[job];
    ++mine.result.failure_count;
    std::printf("a process ended with status %d\n  replay: %s\n", status, mine.replay);
    if (mine.done > 0 && mine.result.failure_count <= kFailuresShownMax) start(job);
  }
  RotResult sum;
  for (uint64_t job = 0; job < options.jobs; ++job) sum.add(progress[job].result);
  return sum;
}

}  // namespace

RotResult rot_log(const RotOptions& options) {
  RotResult sum;
  for (const bool is_clean : {true, false}) {
    LogRot rot(options.seed, is_clean);
    if (options.file.empty()) {
      sum.add(rot_in_processes(rot, options));
    } else {
      Progress progress;  // in this process, for a debugger
      rot_share(rot, options, 0, progress);
      sum.add(progress.result);
    }
  }
  return sum;
}

}  // namespace alfheim::sim
