// command/testing_context: runs commands over an index in memory, for the tests of all rooms.
//
// run() looks the command up, checks the call, and runs its handler as apply does (an entry
// of its own; long values stand in it as their arguments) where it writes, and as a read does
// otherwise. The reply is RESP. Not for the product.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "command/context.h"
#include "command/table.h"
#include "resp/reply_writer.h"
#include "types/testing_world.h"

namespace alfheim::command {

class TestContext : public Context {
 public:
  TestContext(types::TestingWorld& world, bool is_write, uint32_t selected, uint64_t ahead_ms)
      : world_(world), selected_(selected) {
    for (uint32_t i = 0; i < base::kDatabaseCount; ++i) {
      databases_.push_back(is_write ? world.writer(i) : world.reader(i, ahead_ms));
    }
  }
  types::Database& database() override { return databases_[selected_]; }
  types::Database& database(base::DatabaseIndex index) override { return databases_[index.value]; }
  void swap_databases(base::DatabaseIndex a, base::DatabaseIndex b) override {
    world_.table.swap(a, b);
  }
  Limits limits() const override { return test_limits; }
  uint64_t random() override { return world_.point.random(); }

  Limits test_limits;

 private:
  types::TestingWorld& world_;
  uint32_t selected_;
  std::vector<types::Database> databases_;
};

// A world with a table over it.
struct CommandWorld : types::TestingWorld {
  std::unique_ptr<const Table> table_of_commands;
  uint32_t selected = 0;
  uint64_t clock_ahead_ms = 0;  // of reads
  uint64_t entry_ms = 0;        // log time that each entry takes
  Limits limits;
  resp::ProtocolVersion protocol = resp::ProtocolVersion::kResp2;
  base::Status last_status;

  std::string run(const std::vector<base::Bytes>& words) {
    std::vector<base::ByteView> views(words.begin(), words.end());
    const Arguments plain{std::span<const base::ByteView>(views)};
    base::Bytes out;
    resp::ReplyWriter reply(out, protocol);
    const Row* row = table_of_commands->find(plain);
    if (const auto refused = check_call(row, plain)) {
      reply.error(*refused);
      return out;
    }
    ALF_CHECK(row->handler != nullptr);
    if (!row->is_write()) {
      TestContext context(*this, false, selected, clock_ahead_ms);
      context.test_limits = limits;
      last_status = row->handler(context, plain, reply);
      return out;
    }
    next_entry(entry_ms);
    std::vector<types::ValueInput> inputs;
    for (const base::ByteView view : views) inputs.push_back(give(view));
    TestContext context(*this, true, selected, 0);
    context.test_limits = limits;
    last_status = row->handler(context, Arguments(views, inputs), reply);
    return out;
  }
  std::string run(std::initializer_list<const char*> words) {
    return run(std::vector<base::Bytes>(words.begin(), words.end()));
  }
  // The words between spaces.
  std::string run(std::string_view line) {
    std::vector<base::Bytes> words;
    while (!line.empty()) {
      const size_t space = std::min(line.find(' '), line.size());
      words.emplace_back(line.substr(0, space));
      line.remove_prefix(std::min(space + 1, line.size()));
    }
    return run(words);
  }
};

}  // namespace alfheim::command
