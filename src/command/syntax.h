// command/syntax: the words after a command's name, written as one line of text.
//
// A row says what its arguments are as a maintainer would write them on a whiteboard; COMMAND
// DOCS answers them as a tree (redis-cli and other clients make their hints from it).
//
//   arguments  = argument { " " argument }
//   argument   = plain | "[" plain "]"                    in brackets: optional
//   plain      = name [":" type] ["=" TOKEN] ["#" key] ["(" inner ")"] ["+" | "++"]
//                ["@" since] ["~" deprecated]
//   inner      = argument { " | " argument }              of a oneof: one of these
//              | arguments                                of a block: these in this order
//   type       = string | integer | double | key | pattern | unix-time | pure-token | oneof | block
//
// TOKEN is the literal word that stands before the value (or alone: a pure token, for which
// the type is left out); its first letter may be any. `key` is the index of the row's key
// specification that finds the argument; with it, the type may be left out. "+": may be given
// several times; "++": together with its token each time. `since` and `deprecated` are versions.
//
//   key#0 value:string [condition:oneof(nx=NX | xx=XX)@2.6.12] [get=GET@6.2.0]
//   key_value:block(key#0 value:string)+
//
// Thread: any; values. Lifetime: the text outlives the tree, which points into it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alfheim::command {

enum class ArgumentType : uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneOf,
  kBlock,
};

// As Redis spells it: "unix-time".
std::string_view argument_type_name(ArgumentType type);

struct SyntaxArgument {
  std::string_view name;
  ArgumentType type = ArgumentType::kString;
  int key_spec_index = -1;  // -1: no key
  std::string_view token;   // empty: none
  std::string_view since;
  std::string_view deprecated_since;
  bool is_optional = false;
  bool is_multiple = false;
  bool is_token_repeated = false;
  std::vector<SyntaxArgument> arguments;  // of a oneof or a block
};

// kInvalidArgument where the text is not of the grammar above.
base::Result<std::vector<SyntaxArgument>> parse_syntax(std::string_view text);

}  // namespace alfheim::command
