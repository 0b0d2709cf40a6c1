#include "server/founders.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/format.h"
#include "base/hash.h"
#include "raft/configuration.h"
#include "server/generation.h"
#include "server/layout.h"
#include "server/option_text.h"
#include "server/options.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb founders 1 ";
constexpr uint64_t kFileBytesMax = 64 * 1024;

std::string list_of(const std::vector<Founder>& founders) {
  std::string text;
  for (const Founder& founder : founders) {
    text += base::format("{}{}={}", text.empty() ? "" : ",", founder.name,
                         address_text(founder.address));
  }
  return text;
}

base::Result<std::vector<Founder>> read_kept(env::Disk& disk, const std::string& path) {
  ALF_TRY(const std::unique_ptr<env::File> file, disk.open(path, {}));
  std::string text(kFileBytesMax, '\0');
  ALF_TRY(const size_t bytes, file->read_at(0, text));
  text.resize(bytes);
  const size_t list_begin = kFirstWords.size() + 9;
  const bool is_whole =
      text.starts_with(kFirstWords) && text.size() > list_begin && text.ends_with('\n');
  const std::string list = is_whole ? text.substr(list_begin, text.size() - list_begin - 1) : "";
  const std::string crc = base::format("{:08x} ", base::crc32c(list));
  if (!is_whole || text.compare(kFirstWords.size(), crc.size(), crc) != 0) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("read {}: its checksum does not fit: who the other members are "
                                    "is not known; restore the file from another copy of it",
                                    path)};
  }
  return parse_founders(list);
}

}  // namespace

base::Result<std::vector<Founder>> parse_founders(std::string_view text) {
  const auto refuse = [&](std::string_view what) {
    return base::Error{base::ErrorCode::kInvalidArgument,
                       base::format("--cluster: found \"{}\", {}", text, what)};
  };
  std::vector<Founder> founders;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view member = text.substr(begin, end - begin);
    const size_t equals = member.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return refuse("expected ID=HOST:PORT, and more of them behind commas");
    }
    const auto address = parse_address(member.substr(equals + 1));
    if (!address) return refuse("expected ID=HOST:PORT, and more of them behind commas");
    if (equals > raft::kMemberNameBytesMax ||
        address_text(*address).size() > raft::kMemberAddressBytesMax) {
      return refuse(base::format("expected at most {} bytes of an id and {} of its address",
                                 raft::kMemberNameBytesMax, raft::kMemberAddressBytesMax));
    }
    founders.push_back(Founder{std::string(member.substr(0, equals)), *address});
    begin = end + 1;
  }
  if (founders.size() > kFoundersMax)
    return refuse(base::format("expected at most {} members", kFoundersMax));
  std::sort(founders.begin(), founders.end(),
            [](const Founder& a, const Founder& b) { return a.name < b.name; });
  for (size_t i = 0; i < founders.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (founders[i].name == founders[j].name) return refuse("a member is named twice");
      if (address_text(founders[i].address) == address_text(founders[j].address)) {
        return refuse("two members have one address");
      }
    }
  }
  return founders;
}

base::Result<std::vector<Founder>> founders_of(env::Disk& disk, const std::string& dir,
                                               const std::string& cluster) {
  std::vector<Founder> wanted;
  if (!cluster.empty()) {
    ALF_TRY(wanted, parse_founders(cluster));
  }
  if (wanted.size() == 1) wanted.clear();
  ALF_TRY(const bool is_kept, disk.exists(founders_path(dir)));
  ALF_TRY(const bool has_log, is_begun(disk, dir));
  if (!is_kept && !has_log) return wanted;
  std::vector<Founder> kept;
  if (is_kept) {
    ALF_TRY(kept, read_kept(disk, founders_path(dir)));
  }
  if (wanted.empty() || list_of(wanted) == list_of(kept)) return kept;
  return base::Error{
      base::ErrorCode::kInvalidArgument,
      base::format("--cluster {}: data directory {} was founded {}; leave --cluster out, or choose "
                   "another --dir",
                   cluster, dir, kept.empty() ? "by a node of its own" : "as " + list_of(kept))};
}

base::Status save_founders(env::Disk& disk, const std::string& dir,
                           const std::vector<Founder>& founders) {
  const std::string list = list_of(founders);
  const std::string text = base::format("{}{:08x} {}\n", kFirstWords, base::crc32c(list), list);
  const std::string path = founders_path(dir);
  const std::string made = path + ".new";
  ALF_TRY(const bool is_left, disk.exists(made));
  if (is_left) ALF_TRY_STATUS(disk.unlink(made));
  {
    ALF_TRY(const std::unique_ptr<env::File> file,
            disk.open(made, {.is_writable = true, .create_new = true}));
    ALF_TRY_STATUS(file->write_at(0, text));
    ALF_TRY_STATUS(file->sync());
  }
  ALF_TRY_STATUS(disk.rename(made, path));
  return disk.sync_dir(dir);
}

uint64_t cluster_uid_of(const std::vector<Founder>& founders) {
  return base::hash64(list_of(founders), 0xa1f) | 1;
}

}  // namespace alfheim::server
