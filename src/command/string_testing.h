// command/string_testing: the handlers of strings and bitmaps over an index in memory.
//
// Runs one command as the machine would: a write in an entry of its own, with its values
// standing in that entry (or in fragments before it, unread); a read over the state behind
// it. A few commands of other families stand in, so that tables of replies can ask for
// what strings leave behind. Not for the product.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/format.h"
#include "base/text.h"
#include "command/bit_math.h"
#include "command/family.h"
#include "command/string_access.h"
#include "types/testing_consistency.h"
#include "types/testing_world.h"

namespace alfheim::command {

// How a value given whole reaches the handler.
enum class ValuesAs : uint8_t { kInMemory, kInEntry, kUnreadFragments };

class TestingContext : public Context {
 public:
  TestingContext(types::Database database, Limits limits)
      : database_(std::move(database)), limits_(limits) {}

  types::Database& database() override { return database_; }
  types::Database& database(base::DatabaseIndex) override { return database_; }
  void swap_databases(base::DatabaseIndex, base::DatabaseIndex) override {}
  Limits limits() const override { return limits_; }
  uint64_t random() override { return 4; }

 private:
  types::Database database_;
  Limits limits_;
};

class StringBench {
 public:
  explicit StringBench(ValuesAs values = ValuesAs::kInEntry) : values_(values) {
    std::vector<Row> rows;
    add_string_rows(rows);
    add_bitmap_rows(rows);
    for (Row& row : rows) {
      base::Bytes name(row.name);
      rows_.emplace(std::move(name), std::move(row));
    }
  }

  types::TestingWorld world;
  Limits limits;
  resp::ProtocolVersion version = resp::ProtocolVersion::kResp2;
  uint64_t clock_ahead_ms = 0;  // how far the leader's clock is beyond log time, in reads

  // The reply; "!" and the message where the handler gave an Error.
  base::Bytes run(const std::vector<base::ByteView>& words) {
    const base::Bytes name = base::to_lower(words.at(0));
    const auto found = rows_.find(name);
    if (found == rows_.end()) return run_stand_in(name, words);
    const Row& row = found->second;
    const bool is_arity_right = row.arity < 0 ? words.size() >= static_cast<size_t>(-row.arity)
                                              : words.size() == static_cast<size_t>(row.arity);
    if (!is_arity_right) {
      return base::format("-ERR wrong number of arguments for '{}' command\r\n", name);
    }
    base::Bytes out;
    resp::ReplyWriter reply(out, version);
    const base::Status status = row.is_write() ? apply(row, words, reply) : read(row, words, reply);
    return status ? out : "!" + status.error().message;
  }

  std::optional<types::FoundKey> look(base::ByteView key) {
    types::Database database = world.reader();
    auto found = database.find(key);
    ALF_CHECK(found.is_ok());
    return std::move(found).value();
  }

  // Leaves a key of another type.
  void put_list(base::ByteView key) {
    ALF_CHECK(world.writer().erase(key).is_ok());
    ALF_CHECK(world.writer().set_computed(key, "x", types::Deadline::kDrop, false).is_ok());
    base::Bytes& bytes = world.records.map.at(types::key_record_key(world.writer().epoch(), key));
    base::Bytes list;
    types::KeyRecord record = types::parse_key_record(bytes).value();
    record.type = types::Type::kList;
    types::put_key_record(list, record);
    bytes = list;
  }

 private:
  static bool is_value(const ValuePositions& values, size_t position) {
    if (values.first == 0 || position < static_cast<size_t>(values.first)) return false;
    const size_t distance = position - static_cast<size_t>(values.first);
    return values.step == 0 ? distance == 0 : distance % static_cast<size_t>(values.step) == 0;
  }

  base::Status apply(const Row& row, const std::vector<base::ByteView>& words,
                     resp::ReplyWriter& reply) {
    std::vector<types::ValueInput> inputs;
    std::vector<base::ByteView> bytes;
    world.next_entry(0);
    for (size_t i = 0; i < words.size(); ++i) {
      inputs.push_back(input(row, words[i], i));
      bytes.push_back(inputs.back().bytes);
    }
    TestingContext context(world.writer(), limits);
    return row.handler(context, Arguments(bytes, inputs), reply);
  }

  types::ValueInput input(const Row& row, base::ByteView word, size_t position) {
    if (is_value(row.values, position) && values_ == ValuesAs::kInEntry) return world.give(word);
    if (is_value(row.values, position) && values_ == ValuesAs::kUnreadFragments) {
      // Pieces of an odd size, behind some bytes that belong to other words.
      return world.give_fragments(word, 5, 3);
    }
    return types::ValueInput{.bytes = word, .length_bytes = word.size()};
  }

  base::Status read(const Row& row, const std::vector<base::ByteView>& words,
                    resp::ReplyWriter& reply) {
    TestingContext context(world.reader(0, clock_ahead_ms), limits);
    return row.handler(context, Arguments(std::span<const base::ByteView>(words)), reply);
  }

  base::Bytes run_stand_in(const base::Bytes& name, const std::vector<base::ByteView>& words) {
    base::Bytes out;
    resp::ReplyWriter reply(out, version);
    if (name == "hello") {
      version = words.at(1) == "3" ? resp::ProtocolVersion::kResp3 : resp::ProtocolVersion::kResp2;
    } else if (name == "flushall") {
      world.writer().flush();
      reply.ok();
    } else if (name == "rpush") {
      push(words.at(1), reply);
    } else if (name == "exists") {
      int64_t count = 0;
      for (size_t i = 1; i < words.size(); ++i) count += look(words[i]) ? 1 : 0;
      reply.integer(count);
    } else if (name == "expiretime" || name == "pexpiretime") {
      reply_deadline(words.at(1), name == "expiretime" ? 1000 : 1, reply);
    } else if (name == "object") {
      reply_encoding(words.at(2), reply);
    } else {
      out = "!no such command in this test: " + name;
    }
    return out;
  }

  void push(base::ByteView key, resp::ReplyWriter& reply) {
    const std::optional<types::FoundKey> found = look(key);
    if (found && found->record.type == types::Type::kString) {
      reply.error_with_code(kWrongTypeText);
      return;
    }
    put_list(key);
    reply.integer(1);
  }

  void reply_deadline(base::ByteView key, uint64_t unit_ms, resp::ReplyWriter& reply) {
    const std::optional<types::FoundKey> found = look(key);
    if (!found) return reply.integer(-2);
    if (!found->record.deadline_ms) return reply.integer(-1);
    reply.integer(static_cast<int64_t>((*found->record.deadline_ms + unit_ms / 2) / unit_ms));
  }

  void reply_encoding(base::ByteView key, resp::ReplyWriter& reply) {
    const std::optional<types::FoundKey> found = look(key);
    if (!found) return reply.null();
    if (found->record.type == types::Type::kList) return reply.bulk("listpack");
    const uint64_t length = world.reader().string_length(*found).value();
    if (found->record.layout == types::Layout::kInteger) return reply.bulk("int");
    reply.bulk(is_shown_unedited(*found, length) ? "embstr" : "raw");
  }

  ValuesAs values_;
  std::map<base::Bytes, Row, std::less<>> rows_;
};

}  // namespace alfheim::command
