// The log strand's half of a Log: append, roll, publish.
#include <algorithm>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "vlog/log_state.h"
#include "vlog/segment_names.h"

namespace alfheim::vlog {
namespace {

using base::ErrorCode;
using base::LogIndex;

// From this mean length of a batch on, pre-written blocks are not worth their writing.
constexpr uint64_t kBigBatchBytes = 64 * base::kKiB;

struct Chunk {
  size_t entry_count = 0;
  uint64_t body_bytes = 0;
};

// As many entries as one batch may hold, at least one.
Chunk next_chunk(std::span<const raft::Entry> entries) {
  Chunk chunk;
  for (const raft::Entry& entry : entries) {
    const uint64_t bytes = record_bytes(entry);
    if (chunk.entry_count > 0 && chunk.body_bytes + bytes > kBatchBodyBytesMax) break;
    chunk.entry_count += 1;
    chunk.body_bytes += bytes;
  }
  return chunk;
}

void check_entries(const Log& log, std::span<const raft::Entry> entries) {
  const LogIndex first = entries.front().index;
  ALF_CHECK_MSG(first >= log.first_index(), "an entry below the log's start");
  ALF_CHECK_MSG(first <= log.last_index().next(), "a gap in the log");
  const auto previous_term = log.term_at(LogIndex{first.value - 1});
  ALF_CHECK(previous_term.has_value());
  base::Term term = *previous_term;
  LogIndex expected = first;
  for (const raft::Entry& entry : entries) {
    ALF_CHECK_MSG(entry.index == expected, "entries do not follow each other");
    ALF_CHECK_MSG(entry.term >= term, "a term falls");
    ALF_CHECK(entry.bytes().size() <= base::kEntryBytesMax);
    term = entry.term;
    expected = expected.next();
  }
}

bool prefers_spare(const SegmentWriter* sealed) {
  if (sealed == nullptr || sealed->position().batch_count == 0) return true;
  const uint64_t data_bytes = sealed->position().end_bytes - kSegmentHeaderBytes;
  return data_bytes / sealed->position().batch_count < kBigBatchBytes;
}

}  // namespace

base::Status Log::append(std::span<const raft::Entry> entries) {
  const LogState::Turn turn(state_->strand_turn);
  ALF_TRY_STATUS(state_->check_usable());
  if (entries.empty()) return base::ok();
  check_entries(*this, entries);
  const LogIndex last = entries.back().index;
  while (!entries.empty()) {
    const Chunk chunk = next_chunk(entries);
    ALF_TRY_STATUS(state_->append_chunk(entries.first(chunk.entry_count)));
    entries = entries.subspan(chunk.entry_count);
  }
  ALF_CHECK(last_index() == last);
  return base::ok();
}

base::Status LogState::append_chunk(std::span<const raft::Entry> entries) {
  uint64_t body_bytes = 0;
  for (const raft::Entry& entry : entries) body_bytes += record_bytes(entry);
  const LogIndex first = entries.front().index;
  const Segment* open = strand.open_segment.get();
  // Only this strand changes the open segment's table, so it may look without the lock.
  const bool fits = open != nullptr && first >= open->table.first_index() &&
                    first <= open->table.last_index().next() &&
                    strand.writer->has_room(body_bytes, entries.size(), open->table);
  if (!fits) ALF_TRY_STATUS(roll(first, body_bytes, entries.size()));
  auto places = strand.writer->write_batch(entries, false);
  if (!places.is_ok()) return finish(std::move(places).error());
  counters.wrote(strand.writer->last_write_bytes());
  counters.batches.fetch_add(1, std::memory_order_relaxed);
  counters.entries.fetch_add(entries.size(), std::memory_order_relaxed);
  counters.payload_bytes.fetch_add(body_bytes - entries.size() * kRecordHeaderBytes,
                                   std::memory_order_relaxed);
  publish(entries, *places);
  return base::ok();
}

base::Status LogState::roll(LogIndex first_index, uint64_t body_bytes, uint64_t entry_count) {
  const SegmentHeader header{
      .uid = random.next_u64(),
      .id = strand.next_segment_id++,
      .identity = meta->current().identity,
      .first_index = first_index,
      .file_bytes =
          std::max(options.segment_bytes, SegmentWriter::file_bytes_for(body_bytes, entry_count)),
      .replaces_id = 0,
      .copied_last_index = {}};
  // First what may find the disk full, while nothing else was touched.
  std::string path;
  ALF_TRY(auto file, make_segment_file(header, path));
  ALF_TRY_STATUS(seal_open_segment());
  // From this name on the file is a segment, so its header is durable before, and the footer of
  // the one before it: only the last segment may ever lack a footer.
  const std::string segment_path = path_in(options.dir, segment_name(header.id));
  auto named = disk.rename(path, segment_path);
  if (named.is_ok() && !ALF_MUTANT(DirectoryNotSynced)) named = disk.sync_dir(options.dir);
  if (!named.is_ok()) return finish(std::move(named).error());
  auto reader = disk.open(segment_path, {});
  if (!reader.is_ok()) return finish(std::move(reader).error());
  strand.open_segment = std::make_shared<Segment>(header, segment_path, std::move(reader).value());
  strand.writer = std::make_unique<SegmentWriter>(std::move(file), header,
                                                  SegmentWriter::Position{}, strand.buffer);
  counters.rolls.fetch_add(1, std::memory_order_relaxed);
  return base::ok();
}

base::Result<std::unique_ptr<env::File>> LogState::make_segment_file(const SegmentHeader& header,
                                                                     std::string& path) {
  std::optional<std::string> spare;
  if (header.file_bytes == options.segment_bytes && prefers_spare(strand.writer.get())) {
    spare = spares.take();
  }
  path = spare ? *spare : path_in(options.dir, segment_name(header.id, kNewSuffix));
  auto file = SegmentWriter::make_file(disk, path, header, spare.has_value(), strand.buffer);
  if (file.is_ok()) {
    counters.wrote(kSegmentHeaderBytes);
    return file;
  }
  if (file.error().code != ErrorCode::kNoSpace || spare) return finish(std::move(file).error());
  // The log is as it was. The half-made file must not stay to fill the disk.
  auto removed = disk.unlink(path);
  if (!removed.is_ok() && removed.error().code != ErrorCode::kNotFound) {
    return finish(std::move(removed).error());
  }
  return make_reserved_file(header, path, std::move(file).error());
}

// The disk has no room for a new file: what was kept for this moment. Whoever appends sees to
// it that only little is appended from now on (Log::reserve_missing_bytes tells).
base::Result<std::unique_ptr<env::File>> LogState::make_reserved_file(const SegmentHeader& header,
                                                                      std::string& path,
                                                                      base::Error why_not) {
  if (header.file_bytes != options.segment_bytes) return why_not;
  std::optional<std::string> reserved = reserve.take();
  if (!reserved) return why_not;
  path = std::move(*reserved);
  auto file = SegmentWriter::make_file(disk, path, header, true, strand.buffer);
  if (!file.is_ok()) return finish(std::move(file).error());
  counters.wrote(kSegmentHeaderBytes);
  return file;
}

base::Status LogState::seal_open_segment() {
  if (strand.writer == nullptr) return base::ok();
  auto sealed = strand.writer->seal(strand.open_segment->table);
  if (!sealed.is_ok()) return finish(std::move(sealed).error());
  counters.wrote(strand.writer->last_write_bytes());
  {
    const std::unique_lock lock(mutex);
    strand.open_segment->is_sealed = true;
    strand.open_segment->sealed_last_index = strand.open_segment->table.last_index();
  }
  strand.writer.reset();
  strand.open_segment.reset();
  return base::ok();
}

void LogState::publish(std::span<const raft::Entry> entries, std::span<const RecordPlace> places) {
  ALF_CHECK(entries.size() == places.size());
  const LogIndex first = entries.front().index;
  std::vector<raft::Payload> evicted;  // freed after the lock
  const SegmentPtr& open = strand.open_segment;
  const std::unique_lock lock(mutex);
  const bool is_new = open->table.is_empty();
  if (first <= shared.last_index || is_new) {
    std::vector<SegmentPtr> kept = truncate_from(first);
    if (is_new) kept.push_back(open);
    shared.set = std::make_shared<const SegmentSet>(std::move(kept));
  }
  if (!shared.tail.empty() && shared.tail.back().index.next() != first) {
    // A snapshot replaced the log: what is in the tail is not followed by this.
    for (raft::Entry& entry : shared.tail) evicted.push_back(std::move(entry.payload));
    shared.tail.clear();
    shared.tail_bytes = 0;
  }
  for (size_t i = 0; i < entries.size(); ++i) {
    open->table.push(entries[i].index, entries[i].term, places[i]);
    push_tail(entries[i], evicted);
  }
  open->data_end_bytes = strand.writer->position().end_bytes;
  shared.last_index = entries.back().index;
  shared.last_stamp = entries.back().stamp;
  ALF_CHECK(open->table.last_index() == shared.last_index);
}

std::vector<SegmentPtr> LogState::truncate_from(LogIndex first) {
  const LogIndex last_kept{first.value - 1};
  while (!shared.tail.empty() && shared.tail.back().index >= first) {
    shared.tail_bytes -= record_bytes(shared.tail.back());
    shared.tail.pop_back();
  }
  std::vector<SegmentPtr> kept;
  for (const SegmentPtr& segment : shared.set->segments()) {
    if (ALF_MUTANT(TruncatedAddressResolved) && segment->is_sealed) {
      kept.push_back(segment);
      continue;
    }
    segment->table.trim_after(last_kept);
    ALF_CHECK(segment->table.is_empty() || segment->table.last_index() <= last_kept);
    if (!segment->table.is_empty() || segment == strand.open_segment) {
      kept.push_back(segment);
    } else {
      retired.add(segment);
    }
  }
  return kept;
}

void LogState::push_tail(const raft::Entry& entry, std::vector<raft::Payload>& evicted) {
  shared.tail.push_back(entry);
  shared.tail_bytes += record_bytes(entry);
  while (shared.tail_bytes > options.memory_tail_bytes && !shared.tail.empty()) {
    shared.tail_bytes -= record_bytes(shared.tail.front());
    evicted.push_back(std::move(shared.tail.front().payload));
    shared.tail.pop_front();
  }
}

}  // namespace alfheim::vlog
