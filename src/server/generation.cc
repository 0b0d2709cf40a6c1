#include "server/generation.h"

#include <optional>
#include <string>

#include "base/format.h"
#include "base/number.h"
#include "server/checked_line.h"
#include "server/layout.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb generation 1 ";

}  // namespace

Generation generation_of(const std::string& dir, uint64_t number) {
  if (number == 0) return {0, dir};
  return {number, base::format("{}/{}{}", dir, kGenerationPrefix, number)};
}

base::Status write_generation(env::Disk& disk, const std::string& dir, uint64_t number) {
  return write_checked_line(disk, dir, generation_path(dir), kFirstWords, std::to_string(number));
}

base::Result<Generation> current_generation(env::Disk& disk, const std::string& dir) {
  const std::string path = generation_path(dir);
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return generation_of(dir, 0);
  ALF_TRY(const std::optional<std::string> digits, read_checked_line(disk, path, kFirstWords));
  const std::optional<int64_t> number = digits ? base::parse_int64(*digits) : std::nullopt;
  const bool is_number = number && *number > 0 && std::to_string(*number) == *digits;
  if (is_number) return generation_of(dir, static_cast<uint64_t>(*number));
  return base::Error{
      base::ErrorCode::kCorruption,
      base::format("read {}: its checksum does not fit: which log and index count is "
                   "not known",
                   path)};
}

base::Result<bool> is_begun(env::Disk& disk, const std::string& dir) {
  ALF_TRY(const Generation current, current_generation(disk, dir));
  if (current.number > 0) return true;
  return disk.exists(log_dir(dir));
}

}  // namespace alfheim::server
