// A Log's life: open, META, drop, close.
#include "vlog/log.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "base/text.h"
#include "vlog/log_state.h"
#include "vlog/recovery.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;
using base::LogIndex;

constexpr uint64_t kSegmentBytesMin = 4 * env::kBlockBytes;

base::Status check_options(const Log::Options& options) {
  const bool is_sound = options.segment_bytes % env::kBlockBytes == 0 &&
                        options.segment_bytes >= kSegmentBytesMin &&
                        options.segment_bytes <= kSegmentBytesMax / 2;
  if (is_sound) return base::ok();
  return base::Error{ErrorCode::kInvalidArgument,
                     base::format("open log {}: segments of {} bytes are not possible: {}..{}, in "
                                  "blocks of {}",
                                  options.dir, options.segment_bytes, kSegmentBytesMin,
                                  kSegmentBytesMax / 2, env::kBlockBytes)};
}

base::Status check_identity(const std::string& dir, const Identity& found, const Identity& given) {
  const auto matches = [](uint64_t is, uint64_t wanted) { return wanted == 0 || wanted == is; };
  if (matches(found.cluster_uid, given.cluster_uid) &&
      matches(found.node.value, given.node.value) &&
      matches(found.group.value, given.group.value)) {
    return base::ok();
  }
  return base::Error{
      ErrorCode::kInvalidArgument,
      base::format("open log {}: it is of cluster {:016x}, node {}, group {}; cluster {:016x}, "
                   "node {}, group {} were expected",
                   dir, found.cluster_uid, found.node.value, found.group.value, given.cluster_uid,
                   given.node.value, given.group.value)};
}

base::Result<std::unique_ptr<MetaFile>> open_or_create_meta(env::Disk& disk,
                                                            const Log::Options& options) {
  const std::string new_path = path_in(options.dir, kMetaNewName);
  ALF_TRY(const bool is_half_made, disk.exists(new_path));
  if (is_half_made) ALF_TRY_STATUS(disk.unlink(new_path));
  ALF_TRY(const bool is_there, disk.exists(path_in(options.dir, kMetaName)));
  if (is_there) return MetaFile::open(disk, options.dir);
  ALF_TRY(const std::vector<std::string> names, disk.list(options.dir));
  for (const std::string& name : names) {
    if (!parse_segment_name(name)) continue;
    return base::Error{
        ErrorCode::kCorruption,
        base::format("open log {}: META is missing, though {} is there", options.dir, name)};
  }
  return MetaFile::create(disk, options.dir, Meta{.identity = options.identity});
}

// Takes away files that no longer count. Their replacement and META are durable.
base::Status remove_obsolete(LogState& state, const std::vector<std::string>& paths) {
  bool is_unlinked = false;
  for (const std::string& path : paths) {
    // The reserve first: it is short where the disk was full.
    ALF_TRY(const bool is_reserved, state.reserve.recycle(path));
    if (is_reserved) continue;
    ALF_TRY(const bool is_recycled, state.spares.recycle(path));
    if (is_recycled) continue;
    ALF_TRY_STATUS(state.disk.unlink(path));
    is_unlinked = true;
  }
  return is_unlinked ? state.disk.sync_dir(state.options.dir) : base::ok();
}

// Makes the open segment's writer, and hands the recovered segments to the readers.
base::Status take_over(LogState& state, Recovered recovered) {
  if (recovered.open_segment != nullptr) {
    const Segment& segment = *recovered.open_segment;
    ALF_TRY(auto file, state.disk.open(segment.path, {.is_writable = true, .is_direct = true}));
    state.strand.writer = std::make_unique<SegmentWriter>(std::move(file), segment.header,
                                                          recovered.position, state.strand.buffer);
    state.strand.open_segment = recovered.open_segment;
  }
  state.strand.next_segment_id = recovered.next_segment_id;
  const Meta meta = state.meta->current();
  const std::unique_lock lock(state.mutex);
  state.shared.set = std::make_shared<const SegmentSet>(std::move(recovered.segments));
  state.shared.first_index = meta.log_start;
  state.shared.previous_term = meta.log_start_previous_term;
  state.shared.last_index = recovered.last_index;
  state.shared.last_stamp = recovered.last_stamp;
  return base::ok();
}

}  // namespace

Log::Log(std::unique_ptr<LogState> state) : state_(std::move(state)) {}
Log::~Log() = default;

base::Result<std::unique_ptr<Log>> Log::open(env::Disk& disk, env::Random& random,
                                             Options options) {
  ALF_TRY_STATUS(check_options(options));
  ALF_TRY_STATUS(disk.make_dir(options.dir));
  ALF_TRY_STATUS(disk.sync_dir(base::parent_path(options.dir)));
  auto state = std::make_unique<LogState>(disk, random, std::move(options));
  const Options& kept = state->options;
  ALF_TRY(state->directory_lock, disk.lock(path_in(kept.dir, kLockName)));
  ALF_TRY(state->meta, open_or_create_meta(disk, kept));
  const Meta meta = state->meta->current();
  ALF_TRY_STATUS(check_identity(kept.dir, meta.identity, kept.identity));
  Recovery recovery(
      disk, random, state->strand.buffer,
      {.dir = kept.dir, .segment_bytes = kept.segment_bytes, .progress = kept.progress}, meta);
  ALF_TRY(Recovered recovered, recovery.run());
  ALF_TRY(const std::vector<std::string> names, disk.list(kept.dir));
  ALF_TRY_STATUS(state->spares.load(names));
  ALF_TRY_STATUS(state->reserve.load(names));
  // The clean marker goes before anything can be appended; and what was read from META becomes
  // durable with certainty, even where a killed process had left it half written.
  ALF_TRY_STATUS(state->meta->update([&](Meta& next) {
    next.is_clean = false;
    next.clean_tail_id = 0;
    next.clean_tail_bytes = 0;
    next.next_segment_id = recovered.next_segment_id;
  }));
  ALF_TRY_STATUS(remove_obsolete(*state, recovered.obsolete_paths));
  ALF_TRY_STATUS(take_over(*state, std::move(recovered)));
  std::unique_ptr<Log> log(new Log(std::move(state)));
  log->check_invariants();
  return log;
}

base::Error LogState::finish(base::Error error) {
  // kNoSpace is what a caller may try again after; this is not.
  if (error.code == ErrorCode::kNoSpace) error.code = ErrorCode::kIo;
  const std::lock_guard lock(finished_mutex);
  if (!finished) finished = error;
  return error;
}

base::Status LogState::check_usable() const {
  const std::lock_guard lock(finished_mutex);
  if (!finished) return base::ok();
  return base::Error{finished->code,
                     base::format("log {} is finished since: {}", options.dir, finished->message)};
}

base::Status Log::save_hard_state(const HardState& state) {
  const LogState::Turn turn(state_->strand_turn);
  ALF_TRY_STATUS(state_->check_usable());
  const HardState before = hard_state();
  ALF_CHECK_MSG(state.term >= before.term, "a term goes back");
  ALF_CHECK_MSG(state.term > before.term || before.vote.value == 0 || state.vote == before.vote,
                "a second vote in one term");
  if (state == before) return base::ok();
  auto saved = state_->meta->update([&](Meta& next) { next.hard_state = state; });
  if (!saved.is_ok()) return state_->finish(std::move(saved).error());
  state_->counters.wrote(kMetaGenerationBytes);
  ALF_CHECK(hard_state() == state);
  return base::ok();
}

base::Status Log::set_log_start(LogIndex first, base::Term previous_term) {
  const LogState::Turn turn(state_->strand_turn);
  ALF_TRY_STATUS(state_->check_usable());
  const LogIndex previous{first.value - 1};
  ALF_CHECK(first.value >= 1);
  ALF_CHECK_MSG(first >= first_index(), "the log's start goes back");
  if (const auto known = term_at(previous)) ALF_CHECK(*known == previous_term);
  auto saved = state_->meta->update([&](Meta& next) {
    if (ALF_MUTANT(LogStartNotSaved)) return;
    next.log_start = first;
    next.log_start_previous_term = previous_term;
  });
  if (!saved.is_ok()) return state_->finish(std::move(saved).error());
  state_->counters.wrote(kMetaGenerationBytes);
  const std::unique_lock lock(state_->mutex);
  state_->shared.first_index = first;
  state_->shared.previous_term = previous_term;
  state_->shared.last_index = std::max(state_->shared.last_index, previous);
  return base::ok();
}

base::Status Log::close() {
  const LogState::Turn turn(state_->strand_turn);
  ALF_TRY_STATUS(state_->check_usable());
  const SegmentWriter* writer = state_->strand.writer.get();
  auto saved = state_->meta->update([&](Meta& next) {
    next.is_clean = true;
    next.clean_tail_id = writer != nullptr ? writer->header().id : 0;
    next.clean_tail_bytes = writer != nullptr ? writer->position().end_bytes : 0;
    next.next_segment_id = state_->strand.next_segment_id;
  });
  if (!saved.is_ok()) return state_->finish(std::move(saved).error());
  [[maybe_unused]] const base::Error closed =
      state_->finish({ErrorCode::kUnavailable, "it was closed"});
  return base::ok();
}

// A footer goes on listing entries that a later segment truncated. When that later one is
// dropped, META takes over its knowledge; else they would come back at the next open. What a
// segment that stays tells needs no room in META, which is small. Dropped and retired files may be
// there after a crash or not, so they are noted, but nothing is left for them to tell.
bool LogState::is_trim_told(const Segment& trimmed, const std::vector<SegmentPtr>& segments,
                            uint64_t without_id) {
  const LogIndex last = trimmed.table.last_index();
  return std::any_of(segments.begin(), segments.end(), [&](const SegmentPtr& later) {
    return later->header.id > trimmed.header.id && later->header.id != without_id &&
           later->header.first_index <= last.next();
  });
}

std::vector<SegmentTrim> LogState::trims_without(uint64_t dropped_id) const {
  std::vector<SegmentTrim> trims;
  const auto note = [&](const SegmentPtr& trimmed) {
    if (!trimmed->is_trimmed()) return;
    if (is_trim_told(*trimmed, shared.set->segments(), dropped_id)) return;
    trims.push_back({trimmed->header.id, trimmed->table.last_index()});
  };
  const std::shared_lock lock(mutex);
  for (const SegmentPtr& segment : shared.set->segments()) note(segment);
  const std::lock_guard retired_lock(retired.mutex);
  for (const SegmentPtr& segment : retired.segments) note(segment);
  return trims;
}

base::Status LogState::save_trims(uint64_t dropped_id) {
  const std::vector<SegmentTrim> trims = trims_without(dropped_id);
  if (trims == meta->current().trims) return base::ok();
  if (trims.size() > kMetaTrimsMax) {
    return base::Error{ErrorCode::kLimit,
                       base::format("drop segment {} of {}: {} segments were truncated, META has "
                                    "room for {}",
                                    dropped_id, options.dir, trims.size(), kMetaTrimsMax)};
  }
  auto saved = meta->update([&](Meta& next) { next.trims = trims; });
  if (!saved.is_ok()) return finish(std::move(saved).error());
  counters.wrote(kMetaGenerationBytes);
  return base::ok();
}

base::Status Log::drop_segment(uint64_t id) {
  {
    const LogState::Turn turn(state_->upkeep_turn);
    ALF_TRY_STATUS(state_->check_usable());
    SegmentPtr dropped;
    {
      const std::shared_lock lock(state_->mutex);
      for (const SegmentPtr& segment : state_->shared.set->segments()) {
        if (segment->header.id == id) dropped = segment;
      }
      if (dropped != nullptr) {
        ALF_CHECK_MSG(dropped->is_sealed, "the open segment cannot be dropped");
        ALF_CHECK_MSG(dropped->table.last_index() < state_->shared.first_index,
                      "the segment holds entries of the log (I3)");
      }
    }
    if (dropped == nullptr) {
      return base::Error{
          ErrorCode::kNotFound,
          base::format("drop segment {} of {}: it is not there", id, state_->options.dir)};
    }
    ALF_TRY_STATUS(state_->save_trims(id));
    const std::unique_lock lock(state_->mutex);
    std::vector<SegmentPtr> kept = state_->shared.set->segments();
    std::erase(kept, dropped);
    state_->shared.set = std::make_shared<const SegmentSet>(std::move(kept));
    state_->retired.add(std::move(dropped));
  }
  return reap();
}

base::Status Log::reap() {
  const LogState::Turn turn(state_->upkeep_turn);
  ALF_TRY_STATUS(state_->check_usable());
  std::vector<SegmentPtr> free;
  {
    // Nobody can take a new hold of a segment that is in no current set, so a count of one stays.
    const std::lock_guard lock(state_->retired.mutex);
    std::erase_if(state_->retired.segments, [&](SegmentPtr& segment) {
      if (segment.use_count() != 1) return false;
      free.push_back(std::move(segment));
      return true;
    });
  }
  if (free.empty()) return base::ok();
  std::atomic_thread_fence(std::memory_order_acquire);  // sees all that the last holder did
  std::vector<std::string> paths;
  for (const SegmentPtr& segment : free) paths.push_back(segment->path);
  free.clear();  // closes the readers
  auto removed = remove_obsolete(*state_, paths);
  if (!removed.is_ok()) return state_->finish(std::move(removed).error());
  return base::ok();
}

base::Status Log::replenish_spares(uint64_t kept_free_bytes) {
  const LogState::Turn turn(state_->upkeep_turn);
  ALF_TRY_STATUS(state_->check_usable());
  return state_->spares.replenish(kept_free_bytes);
}

bool Log::wants_spares() const { return state_->spares.is_short(); }

base::Status Log::replenish_reserve() {
  const LogState::Turn turn(state_->upkeep_turn);
  ALF_TRY_STATUS(state_->check_usable());
  return state_->reserve.replenish(0);
}

base::Result<bool> Log::give_room(uint32_t reserve_kept) {
  std::optional<std::string> path = state_->spares.take();
  if (!path && state_->reserve.count() > reserve_kept) path = state_->reserve.take();
  if (!path) return false;
  ALF_CHECK_MSG(path->starts_with(state_->options.dir), "a file of this log, and no other");
  ALF_TRY_STATUS(state_->disk.unlink(*path));
  // Some file systems give the blocks away only when it is durable that they are nobody's.
  ALF_TRY_STATUS(state_->disk.sync_dir(state_->options.dir));
  return true;
}

uint64_t Log::reserve_missing_bytes() const { return state_->reserve.missing_bytes(); }
uint64_t Log::roll_count() const { return state_->counters.rolls.load(std::memory_order_relaxed); }

HardState Log::hard_state() const { return state_->meta->current().hard_state; }
Identity Log::identity() const { return state_->meta->current().identity; }

LogStats Log::stats() const {
  const LogState::Counters& counters = state_->counters;
  LogStats stats{.batch_count = counters.batches.load(std::memory_order_relaxed),
                 .entry_count = counters.entries.load(std::memory_order_relaxed),
                 .sync_count = counters.syncs.load(std::memory_order_relaxed),
                 .written_bytes = counters.written_bytes.load(std::memory_order_relaxed),
                 .payload_bytes = counters.payload_bytes.load(std::memory_order_relaxed),
                 .roll_count = counters.rolls.load(std::memory_order_relaxed)};
  stats.spare_count = state_->spares.count();
  stats.reserved_count = state_->reserve.count();
  const std::shared_lock lock(state_->mutex);
  const std::lock_guard retired_lock(state_->retired.mutex);
  stats.segment_count = state_->shared.set->segments().size() + state_->retired.segments.size();
  stats.tail_bytes = state_->shared.tail_bytes;
  return stats;
}

}  // namespace alfheim::vlog
