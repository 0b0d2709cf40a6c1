// server/command_line: from argv and the TOML file to Options, or to one clear line.
//
// A flag beats the file, the file beats the default. An unknown key of the file is an error
// that names the file, the line and the key. Nothing is opened but that file, nothing bound.
//
// Thread: any. Lifetime: nothing is kept.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/options.h"

namespace alfheim::server {

// What the command line asked for.
struct ParsedCommandLine {
  Options options;
  // --help or --version: print this on stdout and exit with 0; else empty.
  std::string print_and_exit;
};

// kInvalidArgument (or kIo, of the file) with one line that says what to do: main prints it
// and exits with 1.
base::Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv);
// The same on a machine with so much memory.
base::Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv,
                                                   uint64_t machine_memory_bytes);

// Puts the keys of a TOML text over `options`; `path` is for messages.
base::Status apply_toml(std::string_view text, std::string_view path, Options& options);

}  // namespace alfheim::server
