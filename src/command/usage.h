// command/usage: how a command is called, and how that changed: what COMMAND DOCS tells beyond
// a row's summary.
//
// The texts stand apart from the rows, in a table per family (usage_string.cc, ...), so that a
// row stays a row; set_usages (family.h) gives each row its own.
//
// Thread: any; values. Lifetime: the texts outlive what is made of them.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "command/syntax.h"

namespace alfheim::command {

// As a maintainer writes it down.
struct UsageText {
  std::string_view name;     // of the command; "client|kill" for a subcommand
  std::string_view syntax;   // its arguments (command/syntax.h)
  std::string_view history;  // a line per change: the version, a space, what changed
  std::string_view deprecated_since;
  std::string_view replaced_by;
  std::string_view doc_flag;  // "deprecated" or "syscmd"
};

struct Change {
  std::string_view since;
  std::string_view text;
};

// As a row holds it.
struct Usage {
  std::vector<SyntaxArgument> arguments;
  std::vector<Change> history;
  std::string_view deprecated_since;
  std::string_view replaced_by;
  std::string_view doc_flag;
};

// A text that cannot be read is a mistake of ours: ALF_CHECK.
Usage read_usage(const UsageText& text);

std::span<const UsageText> string_usages();
std::span<const UsageText> bitmap_usages();
std::span<const UsageText> generic_usages();
std::span<const UsageText> session_usages();

}  // namespace alfheim::command
