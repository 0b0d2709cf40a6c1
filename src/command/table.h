// command/table: every command by name: arity, flags, keys, and who executes it.
//
// Rows of data commands come from the family files (string_commands.cc, ...), each of which
// offers its rows through family.h; rows of session commands (PING, CLIENT, INFO, ...) are
// described in session_rows.cc, and the server room executes them. COMMAND and its
// subcommands are generated from the rows (command_info.h).
//
// How a command is called is one line of text beside the rows, in the family's usage_*.cc; for
// a new command write there (the grammar stands in syntax.h)
//   {.name = "set", .syntax = "key#0 value:string [condition:oneof(nx=NX | xx=XX)@2.6.12]"},
//
// Thread: immutable after make(); any thread. Lifetime: outlives everything that looks up.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command/context.h"
#include "command/name_index.h"
#include "command/usage.h"

namespace alfheim::command {

// Bits of Row::flags, named as COMMAND INFO prints them.
enum Flag : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kDenyOom = 1u << 2,
  kAdmin = 1u << 3,
  kPubsub = 1u << 4,
  kNoScript = 1u << 5,
  kBlocking = 1u << 6,
  kLoading = 1u << 7,
  kStale = 1u << 8,
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kAsking = 1u << 11,
  kFast = 1u << 12,
  kNoAuth = 1u << 13,
  kMayReplicate = 1u << 14,
  kNoAsyncLoading = 1u << 15,
  kMovableKeys = 1u << 16,
  kAllowBusy = 1u << 17,
  kNoMulti = 1u << 18,
  // Ours, not printed:
  kLong = 1u << 24,     // work without a small bound: always on the reader pool (KEYS, ...)
  kSession = 1u << 25,  // executed by the server room, not by a Handler
  kPoint = 1u << 26,    // looks at its own keys only, and work is bounded by its words' bytes
};

// Flags of one key specification, named as COMMAND INFO prints them.
enum KeyFlag : uint32_t {
  kKeyRO = 1u << 0,
  kKeyRW = 1u << 1,
  kKeyOW = 1u << 2,
  kKeyRM = 1u << 3,
  kKeyAccess = 1u << 4,
  kKeyUpdate = 1u << 5,
  kKeyInsert = 1u << 6,
  kKeyDelete = 1u << 7,
  kKeyNotKey = 1u << 8,
  kKeyIncomplete = 1u << 9,
  kKeyVariableFlags = 1u << 10,
};

struct KeySpec {
  uint32_t flags = 0;
  const char* notes = "";
  // begin_search: by index (keyword null) or by keyword.
  int begin_index = 0;
  const char* begin_keyword = nullptr;
  int begin_start_from = 0;
  bool is_unknown = false;
  // find_keys: range (last key relative to begin; step; limit) or keynum.
  int last_key = 0;
  int step = 1;
  int limit = 0;
  bool is_keynum = false;
  int keynum_index = 0;
  int first_key_after_keynum = 0;
};

// Which arguments are values given whole that may stay unread in apply (see Arguments).
struct ValuePositions {
  int first = 0;  // 0: none
  int step = 0;   // 0: only `first`
};

struct Row {
  std::string_view name;  // lower case; a subcommand is "client|id"
  int arity = 0;          // as Redis: negative means "at least"
  uint32_t flags = 0;
  std::vector<KeySpec> keys;
  ValuePositions values;
  std::string_view acl_categories;  // "@write @string @slow", as COMMAND INFO prints them
  std::vector<std::string_view> tips;
  // For COMMAND DOCS.
  std::string_view summary;
  std::string_view since;
  std::string_view group;
  std::string_view complexity;
  Usage usage;                // arguments and history, from the family's usage_*.cc (set_usages)
  Handler handler = nullptr;  // null for kSession rows and for containers
  std::vector<Row> subcommands;

  bool is_write() const { return (flags & kWrite) != 0; }
  bool is_read() const { return (flags & kReadOnly) != 0; }
  bool is_point() const { return (flags & (kPoint | kFast)) != 0; }
  // Looks at the record of the one key that it names, and at no other.
  bool is_of_one_key() const {
    return is_point() && keys.size() == 1 && keys[0].begin_index > 0 && keys[0].last_key == 0 &&
           !keys[0].is_keynum;
  }
  bool is_session() const { return (flags & kSession) != 0; }
};

class Table {
 public:
  // All families of this build.
  static std::unique_ptr<const Table> make();

  // All rows must differ in name. For tests; the product has make().
  explicit Table(std::vector<Row> rows);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // By name, in any case; null where unknown. "client|id" is a subcommand's name.
  const Row* find(std::string_view name) const;
  // By the words of a request: descends into a container's subcommand where there is one.
  const Row* find(const Arguments& args) const;
  // All top-level rows in a fixed order.
  const std::vector<const Row*>& rows() const { return order_; }

 private:
  std::vector<Row> storage_;
  std::vector<const Row*> order_;
  NameIndex by_name_;
};

// Redis's words (without "ERR ") for a request that names no command, or has the wrong number
// of arguments; nullopt where the request may run. `row` is what find() gave.
std::optional<std::string> check_call(const Row* row, const Arguments& args);

// Positions of the keys in a request, as COMMAND GETKEYS answers them; empty where the
// request has none, or does not fit its row.
std::vector<size_t> key_positions(const Row& row, const Arguments& args);
// The same with the flags (KeyFlag) of each: what this request does to the key, where the
// row's own flags leave it open.
struct KeyUse {
  size_t position = 0;
  uint32_t flags = 0;
};
std::vector<KeyUse> key_uses(const Row& row, const Arguments& args);

}  // namespace alfheim::command
