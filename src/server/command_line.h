// server/command_line: from argv and the TOML file to Options, or to one clear line.
//
// A flag beats the file, the file beats the default. An unknown key of the file is an error
// that names the file and the key. Nothing is opened or bound here: only texts are judged.
//
// Thread: any. Lifetime: nothing is kept.
#pragma once

#include <cstdint>
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

// kInvalidArgument with one line that says what to do: main prints it and exits with 1.
base::Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv);

// Redis's sizes: a number with b, k, kb, m, mb, g, gb (k is 1000, kb is 1024), in any case.
base::Result<uint64_t> parse_size(std::string_view text);
// "host:port" or "[v6]:port"; the port may be 0 where the system shall choose.
base::Result<env::PeerAddress> parse_address(std::string_view text);
// "0 0 0" or Redis's "normal 0 0 0".
base::Result<OutputLimit> parse_output_limit(std::string_view text);

}  // namespace alfheim::server
