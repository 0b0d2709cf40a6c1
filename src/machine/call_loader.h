// machine/call_loader: from an operation's bytes to a row of the table and its words.
//
// A call stands inline in its entry, or, where it was too large, went ahead in fragment
// entries. Words of a call in fragments are read into memory here, except long values that
// the row says may stay unread: those are handed on as their places in the log.
//
// Thread: apply strand. Lifetime: a LoadedCall borrows the payload it was loaded from; its own
// arguments borrow from it, until it is loaded again.
#pragma once

#include <vector>

#include "base/result.h"
#include "command/table.h"
#include "machine/entry_codec.h"
#include "types/record_source.h"

namespace alfheim::machine {

// A word of a call in fragments stays unread from this length on, where it may.
inline constexpr uint64_t kUnreadWordBytesMin = 64 * 1024;

// One call at a time; the memory is used again from call to call.
struct LoadedCall {
  base::DatabaseIndex database;
  const command::Row* row = nullptr;
  std::vector<base::ByteView> words;
  command::Arguments::EntryPlace place;   // of the words, where they are slices of an entry
  std::vector<types::ValueInput> inputs;  // of a call in fragments: one for each word
  base::Bytes arena;                      // words that had to be read

  // Forgets the call, and gives back what a large one left behind.
  void clear();
  command::Arguments args() const {
    return inputs.empty() ? command::Arguments(words, place) : command::Arguments(words, inputs);
  }
};

class CallLoader {
 public:
  CallLoader(const command::Table& table, types::ValueSource& values)
      : table_(table), values_(values) {}

  // `offset_bytes` is the place of `body` in the payload: values in it can be separated.
  base::Status load(base::ByteView body, uint32_t offset_bytes, const PayloadHeader& header,
                    LoadedCall& call) const;
  base::Status load_fragments(const types::FragmentList& body, const PayloadHeader& header,
                              LoadedCall& call) const;
  // The bytes of a whole body in fragments (blocks).
  base::Result<base::Bytes> read_fragments(const types::FragmentList& body) const;

 private:
  base::Result<const command::Row*> row_of(const command::Arguments& args) const;
  base::Status append_range(const types::FragmentList& body, uint64_t from, uint64_t length,
                            base::Bytes& out) const;

  const command::Table& table_;
  types::ValueSource& values_;
};

}  // namespace alfheim::machine
