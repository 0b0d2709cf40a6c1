#include "machine/read_context.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/mutant.h"
#include "machine/database_set.h"
#include "types/logical_hash.h"

namespace alfheim::machine {
namespace {

class ReadContext : public command::Context {
 public:
  struct State {
    types::RecordSource& records;
    types::ValueSource& values;
    const types::DatabaseTable& table;
    base::Stamp log_time;
  };
  ReadContext(const State& state, const ReadRequest& request)
      : state_(state), request_(request), random_(request.random) {}

  base::Status run(resp::ReplyWriter& reply) {
    ALF_TRY_STATUS(request_.row.handler(*this, request_.args, reply));
    if (request_.lookups == nullptr) return base::ok();
    const types::Lookups found = databases_.lookups();
    request_.lookups->hits += found.hits;
    request_.lookups->misses += found.misses;
    return base::ok();
  }

  types::Database& database() override { return database(request_.database); }
  types::Database& database(base::DatabaseIndex index) override {
    if (types::Database* database = databases_.find(index)) return *database;
    return databases_.add(
        types::Database::Hands{
            .records = state_.records, .values = state_.values, .table = state_.table},
        index, moment());
  }
  void swap_databases(base::DatabaseIndex, base::DatabaseIndex) override {
    ALF_CHECK_MSG(false, "a read changed the databases");
  }
  command::Limits limits() const override { return request_.limits; }
  uint64_t random() override {
    random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
    return random_ ^ (random_ >> 29);
  }

 private:
  // Log time may be ahead of a clock that was read before the last entry was applied.
  types::Moment moment() const {
    const base::Stamp clock = std::max(state_.log_time, request_.clock);
    return types::Moment{ALF_MUTANT(DueByTheLocalClock) ? clock : state_.log_time, clock};
  }

  State state_;
  const ReadRequest& request_;
  uint64_t random_;
  DatabaseSet databases_;
};

}  // namespace

base::Status BegunRead::run(const ReadRequest& request, resp::ReplyWriter& reply) const {
  ALF_CHECK(request.row.is_of_one_key());
  const base::ByteView key = request.args[static_cast<size_t>(request.row.keys[0].begin_index)];
  OneRecordSource records(key, record_);
  LogValues values(log_, pin_, LogValues::Options{});
  ReadContext context({records, values, published_.databases, published_.log_time}, request);
  return context.run(reply);
}

base::Status read_point(Machine& machine, const ReadRequest& request, resp::ReplyWriter& reply,
                        std::unique_ptr<BegunRead>* begun) {
  ALF_CHECK(!request.row.is_write());
  // No pin: the guard keeps apply, which alone makes garbage, out meanwhile.
  LogValues values(machine.log(), nullptr,
                   LogValues::Options::of(env::ReadMode::kMemoryOnly, kLoopReadBytesMax));
  const index::ReadGuard guard = machine.index().read();
  const Published& published = machine.published(guard);
  NotingSource records(guard);
  ReadContext context({records, values, published.databases, published.log_time}, request);
  base::Status status = context.run(reply);
  const bool lacks_a_value = !status && status.error().code == base::ErrorCode::kWouldBlock &&
                             values.is_short() && records.count() == 1;
  if (begun != nullptr && lacks_a_value && request.row.is_of_one_key()) {
    ALF_CHECK(records.found());
    *begun = std::make_unique<BegunRead>(machine.log(), published, *records.found());
  }
  return status;
}

base::Result<base::LogIndex> key_version(Machine& machine, base::DatabaseIndex index,
                                         base::ByteView key, base::Stamp clock) {
  // No pin: the guard keeps apply, which alone makes garbage, out meanwhile.
  LogValues values(machine.log(), nullptr, LogValues::Options::of(env::ReadMode::kMemoryOnly));
  const index::ReadGuard guard = machine.index().read();
  const Published& published = machine.published(guard);
  PointSource records(guard);
  types::Database database({.records = records, .values = values, .table = published.databases},
                           index,
                           types::Moment{published.log_time, std::max(published.log_time, clock)});
  ALF_TRY(const base::LogIndex version, database.version(key));
  if (version > published.applied) return types::Database::needs_tick();
  return version;
}

std::shared_ptr<ReadView> ReadView::open(Machine& machine) {
  base::Stamp log_time_min;
  std::shared_ptr<index::View> view;
  vlog::Pin pin = machine.log().pin_around([&] {
    view.reset();
    const index::ReadGuard guard = machine.index().read();
    log_time_min = machine.published(guard).log_time;
    view = machine.index().open_view(guard);
  });
  ALF_CHECK(view != nullptr);
  return std::shared_ptr<ReadView>(
      new ReadView(machine, std::move(pin), std::move(view), log_time_min));
}

std::shared_ptr<ReadView> ReadView::over(Machine& machine, std::shared_ptr<index::View> view) {
  vlog::Pin pin = machine.log().pin();
  return std::shared_ptr<ReadView>(new ReadView(machine, std::move(pin), std::move(view)));
}

base::Status ReadView::run(const ReadRequest& request, resp::ReplyWriter& reply) const {
  ALF_CHECK(!request.row.is_write());
  ViewSource records(view_, env::ReadMode::kMayBlock);
  ALF_TRY(const MachineState state, MachineState::read(records));
  LogValues values(machine_.log(), pin_, LogValues::Options{});
  const base::Stamp log_time = std::max(state.log_time, log_time_min_);
  ReadContext context({records, values, state.databases, log_time}, request);
  return context.run(reply);
}

base::Result<base::LogIndex> ReadView::version(base::DatabaseIndex index, base::ByteView key,
                                               base::Stamp clock) const {
  ViewSource records(view_, env::ReadMode::kMayBlock);
  ALF_TRY(const MachineState state, MachineState::read(records));
  LogValues values(machine_.log(), pin_, LogValues::Options{});
  const base::Stamp log_time = std::max(state.log_time, log_time_min_);
  types::Database database({.records = records, .values = values, .table = state.databases}, index,
                           types::Moment{log_time, std::max(log_time, clock)});
  ALF_TRY(const base::LogIndex version, database.version(key));
  // Of an entry that was being applied when the view was taken: it may write the key again.
  if (version > applied()) return types::Database::needs_tick();
  return version;
}

base::Result<uint64_t> ReadView::logical_hash() const {
  constexpr uint64_t kBytesPerStep = 16 * base::kMiB;
  ViewSource records(view_, env::ReadMode::kMayBlock);
  ALF_TRY(const MachineState state, MachineState::read(records));
  LogValues values(machine_.log(), pin_, LogValues::Options{});
  types::LogicalHash hash;
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    types::Database database({.records = records, .values = values, .table = state.databases},
                             base::DatabaseIndex{i}, types::Moment{state.log_time, state.log_time});
    for (bool is_done = false; !is_done;) {
      ALF_TRY(is_done, hash.step(database, kBytesPerStep));
    }
  }
  return hash.digest();
}

}  // namespace alfheim::machine
