// The writing half of types/database: apply only.
//
// Each write reads the old record first, alive or due, and takes away what belonged to it
// before the new record brings its own: expiry record, references, version, chunks, counts.
#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mutant.h"
#include "base/number.h"
#include "types/database.h"

namespace alfheim::types {

using base::Bytes;
using base::ByteView;
using base::Result;
using base::Status;

namespace {

// Redis's tryObjectEncoding looks at texts of up to 20 characters.
constexpr size_t kIntegerTextBytesMax = 20;
// A string of at most so many chunks is removed with them at once; the chunks of a longer
// one stay as orphans (their version is gone) for the compaction filter. Format: it decides
// what apply writes.
constexpr uint64_t kChunksErasedMax = 64;

uint64_t chunk_count(uint64_t length) { return (length + kChunkBytes - 1) / kChunkBytes; }

}  // namespace

// ---- the records of one key ----

Status Database::put_record(ByteView key, const std::optional<FoundKey>& old, KeyRecord record,
                            Touch touch) {
  const ByteView record_key = record_key_of(key);
  if (old) {
    ALF_TRY_STATUS(release(record_key, old->record, Chunks::kRelease));
    if (ALF_MUTANT(DueKeyCountedAgain) && !judge(old->record).is_alive) ++entry().key_count;
  } else {
    ++entry().key_count;
  }
  if (record.deadline_ms) {
    hands_.sink->put(expiry_key(*record.deadline_ms, record_key), {});
    ++entry().deadline_count;
  }
  ALF_TRY(const std::vector<vlog::ValueAddress> addresses, addresses_of(record));
  for (const vlog::ValueAddress& address : addresses) {
    ALF_CHECK(address.index <= hands_.point->index);
    if (ALF_MUTANT(CopyWithoutReference) && address.index < hands_.point->index) continue;
    hands_.sink->put(reference_key(address, record_key), {});
  }
  if (record.layout == Layout::kChunked) {
    ALF_TRY(const ChunkedBody body, decode_chunked(record.body));
    hands_.sink->put(version_key(body.version), record_key);
  }
  rewrite_record(record_key, record, touch);
  return base::ok();
}

void Database::rewrite_record(ByteView record_key, KeyRecord record, Touch touch) {
  if (touch == Touch::kWritten) record.last_write = hands_.point->index;
  encoded_.clear();
  put_key_record(encoded_, record);
  hands_.sink->put(record_key, encoded_);
}

Status Database::release(ByteView record_key, const KeyRecord& old, Chunks chunks) {
  if (old.deadline_ms) {
    if (!ALF_MUTANT(ExpiryRecordLeft)) hands_.sink->erase(expiry_key(*old.deadline_ms, record_key));
    ALF_CHECK(entry().deadline_count > 0);
    --entry().deadline_count;
  }
  ALF_TRY(const std::vector<vlog::ValueAddress> addresses, addresses_of(old));
  for (const vlog::ValueAddress& address : addresses) {
    hands_.sink->erase(reference_key(address, record_key));
  }
  if (old.layout == Layout::kChunked && chunks == Chunks::kRelease) {
    ALF_TRY(const ChunkedBody body, decode_chunked(old.body));
    hands_.sink->erase(version_key(body.version));
    const uint64_t count = chunk_count(body.length_bytes);
    for (uint64_t i = 0; count <= kChunksErasedMax && i < count; ++i) {
      hands_.sink->erase(chunk_key(body.version, static_cast<uint32_t>(i)));
    }
  }
  return base::ok();
}

Version Database::new_version() {
  if (ALF_MUTANT(VersionReused)) return Version{hands_.point->index, 1};
  return Version{hands_.point->index, ++hands_.point->mutation_count};
}

std::optional<uint64_t> Database::kept_deadline(const std::optional<FoundKey>& old,
                                                Deadline deadline) const {
  // A due key is gone for the command, and its deadline with it.
  if (ALF_MUTANT(DeadlineKeptBySet) && old) deadline = Deadline::kKeep;
  if (ALF_MUTANT(DeadlineOfADueKey) && old) return old->record.deadline_ms;
  if (deadline == Deadline::kDrop || !old || !judge(old->record).is_alive) return std::nullopt;
  return old->record.deadline_ms;
}

// ---- whole strings ----

Status Database::set_string(ByteView key, const ValueInput& value, Deadline deadline) {
  ALF_CHECK(is_writable());
  const bool is_separated =
      value.entry_offset_bytes.has_value() &&
      value.bytes.size() >= (ALF_MUTANT(OptionReadInApply) ? base::kValueThresholdBytesDefault
                                                           : hands_.point->value_threshold_bytes);
  if (!value.fragments && !is_separated) {
    if (value.bytes.size() <= kIntegerTextBytesMax) {
      if (const std::optional<int64_t> integer = base::parse_int64(value.bytes)) {
        return set_integer(key, *integer, deadline);
      }
    }
    return set_computed(key, value.bytes, deadline, false);
  }
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  KeyRecord record;
  record.deadline_ms = kept_deadline(old, deadline);
  Bytes body;
  if (value.fragments) {
    record.layout = Layout::kFragments;
    body = encode_fragments(*value.fragments);
  } else {
    record.layout = Layout::kSeparated;
    ALF_CHECK(value.bytes.size() <= base::kEntryBytesMax);
    body = encode_separated(
        vlog::ValueAddress{.index = hands_.point->index,
                           .offset_bytes = *value.entry_offset_bytes,
                           .length_bytes = static_cast<uint32_t>(value.bytes.size()),
                           .crc = base::crc32c(value.bytes)});
  }
  record.body = body;
  return put_record(key, old, record);
}

Status Database::set_computed(ByteView key, ByteView value, Deadline deadline, bool is_edited) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  KeyRecord record;
  record.is_edited = is_edited;
  record.deadline_ms = kept_deadline(old, deadline);
  if (value.size() <= kChunkBytes) {
    record.body = value;
    return put_record(key, old, record);
  }
  const Version version = new_version();
  write_chunks(version, 0, value);
  const Bytes body = encode_chunked(ChunkedBody{version, value.size()});
  record.layout = Layout::kChunked;
  record.body = body;
  return put_record(key, old, record);
}

Status Database::set_integer(ByteView key, int64_t value, Deadline deadline) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  const Bytes body = encode_integer(value);
  KeyRecord record;
  record.layout = Layout::kInteger;
  record.deadline_ms = kept_deadline(old, deadline);
  record.body = body;
  return put_record(key, old, record);
}

// ---- edits in place ----

// Writes whole chunks of a version that has none yet; `offset` stands on a chunk's border.
void Database::write_chunks(const Version& version, uint64_t offset, ByteView bytes) {
  ALF_CHECK(offset % kChunkBytes == 0);
  for (uint64_t number = offset / kChunkBytes; !bytes.empty(); ++number) {
    const ByteView part = bytes.substr(0, kChunkBytes);
    hands_.sink->put(chunk_key(version, static_cast<uint32_t>(number)), part);
    bytes.remove_prefix(part.size());
  }
}

Status Database::write_chunk_part(const Version& version, uint32_t number, uint64_t from,
                                  ByteView bytes) {
  ALF_CHECK(from + bytes.size() <= kChunkBytes);
  const Bytes key = chunk_key(version, number);
  Bytes chunk;
  if (bytes.size() < kChunkBytes) {
    Bytes scratch;
    ALF_TRY(const std::optional<ByteView> old, hands_.records.get(key, scratch));
    if (old) chunk.assign(old->data(), old->size());
    if (chunk.size() < from + bytes.size()) chunk.resize(from + bytes.size(), '\0');
    chunk.replace(from, bytes.size(), bytes);
    bytes = chunk;
  }
  hands_.sink->put(key, bytes);
  return base::ok();
}

Status Database::write_range_chunked(ByteView key, const KeyRecord& old, uint64_t offset,
                                     ByteView bytes) {
  ALF_TRY(ChunkedBody body, decode_chunked(old.body));
  body.length_bytes = std::max<uint64_t>(body.length_bytes, offset + bytes.size());
  while (!bytes.empty()) {
    const uint64_t from = offset % kChunkBytes;
    const ByteView part = bytes.substr(0, kChunkBytes - from);
    ALF_TRY_STATUS(
        write_chunk_part(body.version, static_cast<uint32_t>(offset / kChunkBytes), from, part));
    offset += part.size();
    bytes.remove_prefix(part.size());
  }
  const Bytes encoded = encode_chunked(body);
  KeyRecord record = old;
  record.is_edited = true;
  record.body = encoded;
  rewrite_record(record_key_of(key), record);
  return base::ok();
}

// Streams the string's bytes into the chunks of a fresh version. Reads piece by piece as
// they stand in the log, so that each piece's checksum is tested.
Status Database::copy_into_chunks(const KeyRecord& record, uint64_t length,
                                  const Version& version) {
  if (record.layout != Layout::kFragments) {
    Bytes whole;
    ALF_TRY_STATUS(read_string(record, 0, length, whole));
    write_chunks(version, 0, whole);
    return base::ok();
  }
  ALF_TRY(const FragmentList list, decode_fragments(record.body));
  Bytes pending;
  uint64_t skip = list.skip_bytes;
  uint64_t rest = length;
  uint64_t written = 0;
  for (const vlog::ValueAddress& piece : list.pieces) {
    Bytes bytes;
    ALF_TRY_STATUS(hands_.values.read(piece, 0, piece.length_bytes, bytes));
    const uint64_t cut = std::min<uint64_t>(skip, bytes.size());
    skip -= cut;
    const uint64_t count = std::min<uint64_t>(rest, bytes.size() - cut);
    rest -= count;
    pending.append(bytes, cut, count);
    const uint64_t whole_chunks = pending.size() - pending.size() % kChunkBytes;
    write_chunks(version, written, ByteView(pending).substr(0, whole_chunks));
    written += whole_chunks;
    pending.erase(0, whole_chunks);
  }
  ALF_CHECK(rest == 0);
  write_chunks(version, written, pending);
  return base::ok();
}

Status Database::make_chunked(ByteView key, const std::optional<FoundKey>& old, uint64_t old_length,
                              uint64_t offset, ByteView bytes) {
  const Version version = new_version();
  if (old_length > 0) ALF_TRY_STATUS(copy_into_chunks(old->record, old_length, version));
  const Bytes body = encode_chunked(ChunkedBody{version, old_length});
  KeyRecord record;
  record.layout = Layout::kChunked;
  record.is_edited = true;
  record.deadline_ms = kept_deadline(old, Deadline::kKeep);
  record.body = body;
  ALF_TRY_STATUS(put_record(key, old, record));
  return write_range_chunked(key, record, offset, bytes);
}

Status Database::write_range(ByteView key, uint64_t offset, ByteView bytes) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  const bool is_alive = old && judge(old->record).is_alive;
  uint64_t old_length = 0;
  if (is_alive) {
    if (old->record.layout == Layout::kChunked) {
      return write_range_chunked(key, old->record, offset, bytes);
    }
    ALF_TRY(old_length, string_length(*old));
  }
  const uint64_t new_length = std::max<uint64_t>(old_length, offset + bytes.size());
  if (new_length > kChunkBytes) return make_chunked(key, old, old_length, offset, bytes);
  Bytes value;
  if (is_alive) ALF_TRY_STATUS(read_string(*old, 0, old_length, value));
  value.resize(new_length, '\0');
  value.replace(offset, bytes.size(), bytes);
  return set_computed(key, value, Deadline::kKeep, true);
}

Status Database::mark_edited(ByteView key) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  ALF_CHECK(old.has_value());
  ALF_CHECK(judge(old->record).is_alive);
  ALF_TRY(const Bytes value, read_whole_string(*old));
  ALF_CHECK(value.size() <= kChunkBytes);
  KeyRecord record = old->record;
  record.layout = Layout::kInline;
  record.is_edited = true;
  record.body = value;
  return put_record(key, old, record, Touch::kShownOtherwise);
}

// ---- keys ----

Result<bool> Database::erase(ByteView key) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  if (!old) return false;
  const ByteView record_key = record_key_of(key);
  ALF_TRY_STATUS(release(record_key, old->record, Chunks::kRelease));
  hands_.sink->erase(record_key);
  ALF_CHECK(entry().key_count > 0);
  --entry().key_count;
  return judge(old->record).is_alive;
}

Status Database::set_deadline(ByteView key, std::optional<uint64_t> deadline_ms) {
  ALF_CHECK(is_writable());
  ALF_TRY(const std::optional<FoundKey> old, find_any(key));
  ALF_CHECK(old.has_value());
  ALF_CHECK(judge(old->record).is_alive);
  const ByteView record_key = record_key_of(key);
  if (old->record.deadline_ms) {
    hands_.sink->erase(expiry_key(*old->record.deadline_ms, record_key));
    ALF_CHECK(entry().deadline_count > 0);
    --entry().deadline_count;
  }
  if (deadline_ms) {
    hands_.sink->put(expiry_key(*deadline_ms, record_key), {});
    ++entry().deadline_count;
  }
  KeyRecord record = old->record;
  record.deadline_ms = deadline_ms;
  rewrite_record(record_key, record);
  return base::ok();
}

Status Database::copy_to(ByteView from, Database& target, ByteView to) {
  ALF_CHECK(is_writable());
  ALF_CHECK(&target == this || target.index_ != index_);
  ALF_CHECK(&target != this || from != to);
  ALF_TRY(const std::optional<FoundKey> source, find_any(from));
  ALF_CHECK(source.has_value());
  ALF_CHECK(judge(source->record).is_alive);
  ALF_TRY(const std::optional<FoundKey> old, target.find_any(to));
  if (source->record.layout != Layout::kChunked) {
    return target.put_record(to, old, source->record);
  }
  ALF_TRY(ChunkedBody body, decode_chunked(source->record.body));
  const Version version = new_version();
  Bytes scratch;
  for (uint64_t i = 0; i < chunk_count(body.length_bytes); ++i) {
    const auto number = static_cast<uint32_t>(i);
    ALF_TRY(const std::optional<ByteView> chunk,
            hands_.records.get(chunk_key(body.version, number), scratch));
    if (chunk) hands_.sink->put(chunk_key(version, number), *chunk);
  }
  body.version = version;
  const Bytes encoded = encode_chunked(body);
  KeyRecord record = source->record;
  record.body = encoded;
  return target.put_record(to, old, record);
}

Status Database::move_to(ByteView from, Database& target, ByteView to) {
  ALF_CHECK(is_writable());
  ALF_CHECK(&target == this || target.index_ != index_);
  ALF_CHECK(&target != this || from != to);
  ALF_TRY(const std::optional<FoundKey> source, find_any(from));
  ALF_CHECK(source.has_value());
  ALF_CHECK(judge(source->record).is_alive);
  ALF_TRY(const std::optional<FoundKey> old, target.find_any(to));
  // The version's record is overwritten with its new owner; so it must not be removed when
  // the source's own belongings go.
  ALF_TRY_STATUS(target.put_record(to, old, source->record));
  const ByteView record_key = record_key_of(from);
  ALF_TRY_STATUS(release(record_key, source->record, Chunks::kKeep));
  hands_.sink->erase(record_key);
  ALF_CHECK(entry().key_count > 0);
  --entry().key_count;
  return base::ok();
}

void Database::flush() {
  ALF_CHECK(is_writable());
  // Epochs are 32 bits and never given twice: a client that flushes nothing in a loop must not
  // use them up, for every node would stop at the last one, and at each start again.
  if (key_count() > 0) hands_.writable_table->flush(index_);
}

}  // namespace alfheim::types
