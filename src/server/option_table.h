// server/option_table: every option of the program, once: name, help, how it is read, how it
// is shown.
//
// The command line, the TOML file, --help and CONFIG GET all go by these rows.
//
// Thread: any; constants. Lifetime: static.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/options.h"

namespace alfheim::server {

struct OptionRow {
  std::string_view name;     // without dashes
  std::string_view meaning;  // of its value: "HOST:PORT"
  std::string_view help;
  // The Error's message says what was found and what was expected, without the name.
  base::Status (*set)(Options& options, std::string_view text);
  std::string (*show)(const Options& options);
};

// In the order of --help. --config, --help and --version are not among them.
std::span<const OptionRow> option_rows();
const OptionRow* find_option_row(std::string_view name);

// What only several options together can tell.
base::Status check_options(const Options& options);

}  // namespace alfheim::server
