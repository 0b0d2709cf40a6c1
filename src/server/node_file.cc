#include "server/node_file.h"

#include <charconv>

#include "base/format.h"
#include "server/checked_line.h"
#include "server/layout.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb node 1 ";

std::string words_of(const NodeFile& file) {
  return base::format("data_uid={:016x} joined_cluster={:016x}", file.data_uid,
                      file.joined_cluster);
}

bool take(std::string_view& rest, std::string_view name, uint64_t& number) {
  constexpr size_t kDigits = 16;
  if (!rest.starts_with(name) || rest.size() < name.size() + kDigits) return false;
  const char* begin = rest.data() + name.size();
  const auto read = std::from_chars(begin, begin + kDigits, number, 16);
  if (read.ec != std::errc() || read.ptr != begin + kDigits) return false;
  rest.remove_prefix(name.size() + kDigits);
  return true;
}

}  // namespace

base::Result<std::optional<NodeFile>> read_node_file(env::Disk& disk, const std::string& dir) {
  const std::string path = node_path(dir);
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return std::optional<NodeFile>();
  ALF_TRY(const std::optional<std::string> words, read_checked_line(disk, path, kFirstWords));
  NodeFile file;
  std::string_view rest = words ? std::string_view(*words) : std::string_view();
  const bool is_read = take(rest, "data_uid=", file.data_uid) &&
                       take(rest, " joined_cluster=", file.joined_cluster) && rest.empty();
  if (!is_read) {
    return base::Error{
        base::ErrorCode::kCorruption,
        base::format("read {}: its checksum does not fit: which directory this is is "
                     "not known; restore the file from another copy of it",
                     path)};
  }
  return std::optional<NodeFile>(file);
}

base::Status write_node_file(env::Disk& disk, const std::string& dir, const NodeFile& file) {
  return write_checked_line(disk, dir, node_path(dir), kFirstWords, words_of(file));
}

}  // namespace alfheim::server
