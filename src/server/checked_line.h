// server/checked_line: small files of a data directory, of one line that says its own checksum.
//
// `first_words`, crc32c of the words behind it as 8 hex digits, a space, those words, a line end.
// So an operator can read it, and nobody takes what rotted for what was written.
//
// Thread: one, before anything of the directory is open. Lifetime: functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "env/disk.h"

namespace alfheim::server {

// Of a file that is there; nothing where it is not such a line.
base::Result<std::optional<std::string>> read_checked_line(env::Disk& disk, const std::string& path,
                                                           std::string_view first_words);
// In the place of what was there, in one step; durable when it returns. `dir` is the file's.
base::Status write_checked_line(env::Disk& disk, const std::string& dir, const std::string& path,
                                std::string_view first_words, std::string_view words);

}  // namespace alfheim::server
