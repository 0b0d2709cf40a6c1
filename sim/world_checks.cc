// What a world demands of the node's whole state (sim/world.h).
#include "base/format.h"
#include "base/text.h"
#include "machine/read_context.h"
#include "resp/reply_writer.h"
#include "sim/run.h"
#include "sim/world.h"
#include "types/testing_consistency.h"

namespace alfheim::sim {
namespace {

constexpr uint64_t kLastWriteMsMax = 10'000;
constexpr uint64_t kLastRequests = 20;
constexpr uint64_t kRecoveredMsMax = 10'000;
constexpr uint64_t kAnswersAfterCrash = 6;

// Reads of a checker are not the node's.
class Checking {
 public:
  explicit Checking(bool& flag) : flag_(flag) { flag_ = true; }
  ~Checking() { flag_ = false; }

 private:
  bool& flag_;
};

base::Bytes ask(const command::Table& table, const machine::ReadView& view, uint32_t database,
                const Words& words) {
  const std::vector<base::ByteView> views(words.begin(), words.end());
  const command::Arguments args(views);
  base::Bytes bytes;
  resp::ReplyWriter reply(bytes, resp::ProtocolVersion::kResp2);
  const machine::ReadRequest request{.row = *table.find(args),
                                     .args = args,
                                     .database = base::DatabaseIndex{database},
                                     .clock = base::Stamp{}};
  const base::Status status = view.run(request, reply);
  return status ? bytes : "failed: " + status.error().message;
}

}  // namespace

void World::verify_state(const char* when) {
  if (has_failed()) return;
  const Checking checking(is_checking_);
  const uint64_t applied = node_->machine().applied().value;
  const uint64_t position = oracle_.position_of_entry(applied);
  const base::Result<uint64_t> hash = machine::ReadView::open(node_->machine())->logical_hash();
  if (!hash) return oracle_.fail(base::format("{}: {}", when, hash.error().message));
  if (*hash != oracle_.model().logical_hash(position)) return explain_difference(when, position);
  const types::DatabaseTable& databases = node_->machine().state().databases;
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    const uint64_t count = databases.databases[i].key_count;
    if (count == oracle_.model().key_count(i, position)) continue;
    oracle_.fail(base::format("{}: database {} counts {} keys, the model {}", when, i, count,
                              oracle_.model().key_count(i, position)));
  }
}

void World::explain_difference(const char* when, uint64_t position) {
  const auto view = machine::ReadView::open(node_->machine());
  for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
    std::vector<Words> questions = {{"KEYS", "*"}};
    for (const base::Bytes& key : oracle_.model().keys(i, position)) {
      questions.push_back({"GET", key});
      questions.push_back({"PEXPIRETIME", key});
    }
    for (const Words& words : questions) {
      const base::Bytes found = ask(table_, *view, i, words);
      const base::Bytes expected = oracle_.model().read(i, words, position);
      if (found == expected) continue;
      return oracle_.fail(base::format(
          "{}: database {}: {} {} is {}, the model says {}", when, i, words[0], words.back(),
          base::to_quoted(found.substr(0, 300)), base::to_quoted(expected.substr(0, 300))));
    }
  }
  oracle_.fail(base::format("{}: the state hash differs, though all keys are equal", when));
}

// Every record of the index belongs to something, and everything has what belongs to it.
void World::verify_consistency() {
  if (has_failed()) return;
  const Checking checking(is_checking_);
  types::MemoryRecords records;
  const std::shared_ptr<index::View> view = node_->machine().open_view();
  const std::unique_ptr<index::Cursor> cursor = view->scan();
  for (cursor->seek({}); cursor->is_valid(); cursor->next()) {
    records.put(cursor->key(), cursor->value());
  }
  if (!cursor->status()) return oracle_.fail("scan: " + cursor->status().error().message);
  const std::vector<std::string> problems =
      types::inconsistencies(records, node_->machine().state().databases);
  if (!problems.empty()) {
    oracle_.fail(base::format("the index contradicts itself: {}", problems.front()));
  }
}

// The node has crashed as planned: whatever was lost, it must come back with all that anybody was
// told, once, and go on.
void World::judge_planned_crash() {
  recover("after the planned crash");
  if (has_failed()) return;
  if (planned_.crash->is_kill) {
    // What recovery read from the page cache must be durable before the node serves.
    planned_.crash->is_kill = false;
    planned_.crash->options = CrashOptions::lose_all_unsynced();
    end_life(true, "the power goes after the recovery");
    recover("after the power went");
  }
  const uint64_t enough = answered_count(clients_) + kAnswersAfterCrash;
  run_until([&] { return answered_count(clients_) >= enough; }, kRecoveredMsMax,
            "after the recovery");
}

void World::recover(const char* what) {
  // The state and the log were compared with the model when the node began to serve.
  run_until([this] { return life_.is_serving; }, kRecoveredMsMax, what);
  if (has_failed()) return;
  const uint64_t held = oracle_.position_of_entry(node_->machine().applied().value);
  if (held < oracle_.floor()) {
    return oracle_.fail(base::format("{}: somebody was told of position {}, the node holds {}",
                                     what, oracle_.floor(), held));
  }
  verify_consistency();
}

// A disk that has room must not be taken for a full one for ever.
void World::wait_for_room() {
  run_until([this] { return node_ != nullptr && life_.is_serving && !node_->is_disk_full(); },
            kLastWriteMsMax, "with the disk, which has room again");
  oracle_.set_excuses({});
}

void World::final_checks() {
  wait_for_room();
  if (has_failed()) return;
  // A healed node must answer again, also a client that it has never seen.
  narrate("the last requests");
  const auto is_answered = [this] { return clients_.front()->is_done(); };
  clients_.front()->ask_more(kLastRequests);
  run_until(is_answered, kLastWriteMsMax, "with the last requests");
  // The operation that is to fail may have ended the node behind the last answer.
  run_until([this] { return node_ != nullptr && life_.is_serving; }, kLastWriteMsMax,
            "behind the last requests");
  if (has_failed()) return;
  verify_state("at the end");
  verify_consistency();
  narrate("a clean stop and a start");
  // What a disk error of before still may break is no fault of the clean stop.
  const uint64_t lives = outcome_.life_count;
  stop_cleanly();
  run_until([&] { return outcome_.life_count > lives && life_.is_serving; }, kLastWriteMsMax,
            "with a clean stop");
  if (has_failed()) return;
  verify_consistency();
}

}  // namespace alfheim::sim
