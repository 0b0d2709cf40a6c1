#include "server/checked_line.h"

#include "base/crc32c.h"
#include "base/format.h"

namespace alfheim::server {
namespace {

constexpr size_t kFileBytesMax = 64 * 1024;
constexpr size_t kChecksumBytes = 9;  // with the space behind it

std::string line_of(std::string_view first_words, std::string_view words) {
  return base::format("{}{:08x} {}\n", first_words, base::crc32c(words), words);
}

}  // namespace

base::Result<std::optional<std::string>> read_checked_line(env::Disk& disk, const std::string& path,
                                                           std::string_view first_words) {
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  std::string text(kFileBytesMax, '\0');
  ALF_TRY(const size_t bytes, file->read_at(0, text));
  text.resize(bytes);
  const size_t begin = first_words.size() + kChecksumBytes;
  if (text.size() <= begin + 1) return std::optional<std::string>();
  std::string words = text.substr(begin, text.size() - begin - 1);
  if (text != line_of(first_words, words)) return std::optional<std::string>();
  return std::optional<std::string>(std::move(words));
}

base::Status write_checked_line(env::Disk& disk, const std::string& dir, const std::string& path,
                                std::string_view first_words, std::string_view words) {
  const std::string made = path + ".new";
  ALF_TRY(const bool is_left, disk.exists(made));
  if (is_left) ALF_TRY_STATUS(disk.unlink(made));
  {
    ALF_TRY(const std::unique_ptr<env::File> file,
            disk.open(made, {.is_writable = true, .create_new = true}));
    ALF_TRY_STATUS(file->write_at(0, line_of(first_words, words)));
    ALF_TRY_STATUS(file->sync());
  }
  ALF_TRY_STATUS(disk.rename(made, path));
  return disk.sync_dir(dir);
}

}  // namespace alfheim::server
