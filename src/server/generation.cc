#include "server/generation.h"

#include <optional>

#include "base/crc32c.h"
#include "base/format.h"
#include "base/number.h"
#include "server/layout.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb generation 1 ";
constexpr size_t kFileBytesMax = 128;

}  // namespace

Generation generation_of(const std::string& dir, uint64_t number) {
  if (number == 0) return {0, dir};
  return {number, base::format("{}/{}{}", dir, kGenerationPrefix, number)};
}

std::string current_text(uint64_t number) {
  const std::string digits = base::format("{}", number);
  return base::format("{}{:08x} {}\n", kFirstWords, base::crc32c(digits), digits);
}

base::Result<Generation> current_generation(env::Disk& disk, const std::string& dir) {
  const std::string path = generation_path(dir);
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return generation_of(dir, 0);
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  std::string text(kFileBytesMax, '\0');
  ALF_TRY(const size_t bytes, file->read_at(0, text));
  text.resize(bytes);
  const size_t digits_begin = kFirstWords.size() + 9;
  std::optional<int64_t> found;
  if (text.size() > digits_begin && text.ends_with('\n')) {
    found = base::parse_int64(
        std::string_view(text).substr(digits_begin, text.size() - digits_begin - 1));
  }
  const uint64_t number = found && *found > 0 ? static_cast<uint64_t>(*found) : 0;
  if (number > 0 && text == current_text(number)) return generation_of(dir, number);
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
