// machine/testing_node: log, index and machine of one member, driven entry by entry, for tests.
//
// Stands in for the replica: what is proposed is appended to the log, durable, and then
// applied. Works over any Disk and Store, so the rooms above use it too. Not for the product.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/crc32c.h"
#include "machine/machine.h"
#include "machine/read_context.h"

namespace alfheim::machine {

using Words = std::vector<base::ByteView>;

// Keeps all replies of one entry; whoever waits is chosen by the test.
class KeptReplies : public ReplySink {
 public:
  explicit KeptReplies(bool is_waiting = true) : is_waiting_(is_waiting) {}

  resp::ReplyWriter* begin(size_t ordinal) override {
    if (!is_waiting_) return nullptr;
    Kept& kept = kept_[ordinal];
    kept.writer = std::make_unique<resp::ReplyWriter>(kept.bytes, resp::ProtocolVersion::kResp2);
    return kept.writer.get();
  }
  void end_part(size_t ordinal) override { ++kept_[ordinal].part_count; }
  void end(size_t ordinal, Outcome outcome) override {
    kept_[ordinal].outcome = outcome;
    replied_bytes_ += kept_[ordinal].bytes.size();
  }
  void abandon(size_t ordinal) override { kept_.erase(ordinal); }
  size_t replied_bytes() const override { return replied_bytes_; }
  void on_state_hash(size_t) override { ++hash_count; }

  std::string at(size_t ordinal) const {
    const auto found = kept_.find(ordinal);
    if (found == kept_.end()) return "(nobody asked)";
    return found->second.outcome == Outcome::kWatchFailed ? "(watch failed)" : found->second.bytes;
  }
  size_t part_count(size_t ordinal) const { return kept_.at(ordinal).part_count; }

  size_t hash_count = 0;

 private:
  struct Kept {
    base::Bytes bytes;
    std::unique_ptr<resp::ReplyWriter> writer;
    size_t part_count = 0;
    Outcome outcome = Outcome::kReplied;
  };
  bool is_waiting_;
  size_t replied_bytes_ = 0;
  std::map<size_t, Kept> kept_;
};

inline base::Bytes call_of(const Words& words, uint32_t database = 0) {
  base::Bytes body;
  put_call(body, CallView{base::DatabaseIndex{database}, words});
  return body;
}

class TestingNode {
 public:
  struct Options {
    env::Disk& disk;
    index::Store& store;
    env::Random& random;
    const env::Clock& clock;
    std::string log_dir;
    uint64_t segment_bytes = 1 << 20;
  };
  explicit TestingNode(const Options& options) : options_(options), table_(command::Table::make()) {
    open();
  }

  // Opens (again) and applies what the index does not hold yet.
  void open() {
    machine_.reset();
    index_.reset();
    log_.reset();
    vlog::Log::Options log;
    log.dir = options_.log_dir;
    log.identity = {.cluster_uid = 5, .node = base::NodeId{1}, .group = base::GroupId{1}};
    log.segment_bytes = options_.segment_bytes;
    log.prewritten_segment_count = 0;
    log_ = must(vlog::Log::open(options_.disk, options_.random, log));
    index::Options memory;
    memory.memory_budget_bytes = 16 << 20;
    memory.dirty_budget_bytes = 4 << 20;
    memory.ordered_kinds = std::string(1, types::kKindExpiry);
    index_ = must(index::Index::open(options_.store, options_.clock, memory));
    machine_ = must(Machine::open({*index_, *log_, *table_}));
    NoReplies nobody;
    must(log_->save_hard_state({.term = term}));
    must(log_->replay(machine_->applied().next(), [&](raft::Entry entry) {
      stamp = std::max(stamp, entry.stamp);
      return machine_->apply(entry, nobody);
    }));
  }
  // As a clean stop does it.
  void close() {
    freeze();
    machine_.reset();
    index_.reset();
    must(log_->close());
    log_.reset();
  }
  void freeze() {
    const std::unique_ptr<index::FreezeJob> job = index_->freeze(machine_->applied().value);
    must(job->run());
    index_->finish(*job);
  }

  raft::Entry next_entry(raft::EntryKind kind, base::Bytes payload) const {
    raft::Entry entry;
    entry.index = log_->last_index().next();
    entry.term = term;
    entry.kind = kind;
    entry.stamp = stamp;
    entry.seed = entry.index.value * 0x9e3779b97f4a7c15u;
    entry.payload = std::make_shared<const base::Bytes>(std::move(payload));
    return entry;
  }
  void append(const raft::Entry& entry) { must(log_->append(std::span(&entry, 1))); }
  base::Status try_apply(const raft::Entry& entry, ReplySink& sink) {
    append(entry);
    return machine_->apply(entry, sink);
  }
  void apply(const raft::Entry& entry, ReplySink& sink) {
    must(try_apply(entry, sink));
    machine_->check_invariants();
  }
  void propose(base::Bytes payload, ReplySink& sink) {
    apply(next_entry(raft::EntryKind::kCommands, std::move(payload)), sink);
  }
  void tick() {
    NoReplies nobody;
    propose({}, nobody);
  }

  BatchBuilder batch() const {
    BatchBuilder builder;
    builder.start(header);
    return builder;
  }
  // One command in an entry of its own.
  std::string run(const Words& words, uint32_t database = 0) {
    BatchBuilder builder = batch();
    builder.add_call(CallView{base::DatabaseIndex{database}, words}, false);
    KeptReplies replies;
    propose(builder.take(), replies);
    return replies.at(0);
  }
  // The body of an operation goes ahead in pieces, the operation follows.
  std::string run_in_fragments(OperationKind kind, base::ByteView body, size_t piece_bytes) {
    std::vector<vlog::ValueAddress> pieces;
    NoReplies nobody;
    for (size_t from = 0; from < body.size(); from += piece_bytes) {
      const base::ByteView piece = body.substr(from, piece_bytes);
      const raft::Entry entry = next_entry(raft::EntryKind::kFragment, base::Bytes(piece));
      pieces.push_back({entry.index, 0, static_cast<uint32_t>(piece.size()), base::crc32c(piece)});
      apply(entry, nobody);
    }
    base::Bytes list;
    put_fragmented_body(list, body.size(), pieces);
    BatchBuilder builder = batch();
    builder.add_body(kind, kOperationIsFragments, list);
    KeptReplies replies;
    propose(builder.take(), replies);
    return replies.at(0);
  }

  // A read over a view; "!" and the message where it fails.
  std::string view(const Words& words, uint64_t ahead_ms = 0) {
    return read(words, ahead_ms, [&](const ReadRequest& request, resp::ReplyWriter& reply) {
      return ReadView::open(*machine_)->run(request, reply);
    });
  }
  std::string point(const Words& words, uint64_t ahead_ms = 0) {
    return read(words, ahead_ms, [&](const ReadRequest& request, resp::ReplyWriter& reply) {
      return read_point(*machine_, request, reply);
    });
  }
  // The key's record as it lies in the index; nullopt where there is none.
  std::optional<types::FoundKey> look(base::ByteView key, uint32_t database = 0) {
    const types::Epoch epoch = machine_->state().databases.at(base::DatabaseIndex{database}).epoch;
    types::FoundKey found;
    base::Bytes scratch;
    const auto bytes = must(index_->get_for_write(types::key_record_key(epoch, key), scratch));
    if (!bytes) return std::nullopt;
    found.record_bytes = base::Bytes(*bytes);
    found.record = must(types::parse_key_record(found.record_bytes));
    return found;
  }
  uint64_t hash() { return must(ReadView::open(*machine_)->logical_hash()); }

  Machine& machine() { return *machine_; }
  vlog::Log& log() { return *log_; }
  index::Index& index() { return *index_; }

  base::Term term{1};
  base::Stamp stamp{1'700'000'000'000};
  PayloadHeader header{.value_threshold_bytes = 1024, .string_bytes_max = base::kBulkBytesMax};

 private:
  template <typename T>
  static T must(base::Result<T> result) {
    ALF_CHECK_MSG(result.is_ok(), result.is_ok() ? "" : result.error().message);
    return std::move(result).value();
  }
  static void must(const base::Status& status) {
    ALF_CHECK_MSG(status.is_ok(), status.is_ok() ? "" : status.error().message);
  }
  template <typename Run>
  std::string read(const Words& words, uint64_t ahead_ms, Run run) {
    const command::Arguments args{std::span<const base::ByteView>(words)};
    const command::Row* row = table_->find(args);
    ALF_CHECK(row != nullptr);
    base::Bytes out;
    resp::ReplyWriter reply(out, resp::ProtocolVersion::kResp2);
    const base::Stamp clock{machine_->state().log_time.ms + ahead_ms};
    const base::Status status =
        run(ReadRequest{.row = *row, .args = args, .database = {}, .clock = clock, .limits = {}},
            reply);
    if (status) return out;
    return types::Database::is_needs_tick(status.error()) ? "!tick" : "!" + status.error().message;
  }

  Options options_;
  std::unique_ptr<const command::Table> table_;
  std::unique_ptr<vlog::Log> log_;
  std::unique_ptr<index::Index> index_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace alfheim::machine
