// server/toml_file: the flat part of TOML that options need: `key = value`, one a line.
//
// Values are strings ("..." with escapes, '...' without), integers and booleans; comments and
// blank lines are skipped. Tables, arrays and dates are refused, not guessed. CLI11's reader is
// not used because it cuts a quoted string at its first '#', which a password may hold.
//
// Thread: any; pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace alfheim::server {

struct TomlEntry {
  size_t line = 0;  // from 1
  std::string key;
  std::string value;  // as text, without quotes
};

// In the order of the file. The Error's message begins with "line N: ".
base::Result<std::vector<TomlEntry>> parse_toml(std::string_view text);

}  // namespace alfheim::server
