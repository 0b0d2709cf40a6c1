#include "server/founders.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "base/hash.h"
#include "raft/configuration.h"
#include "server/checked_line.h"
#include "server/generation.h"
#include "server/layout.h"
#include "server/option_text.h"
#include "server/options.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb founders 1 ";

std::string list_of(const std::vector<Founder>& founders) {
  std::string text;
  for (const Founder& founder : founders) {
    text += base::format("{}{}={}", text.empty() ? "" : ",", founder.name,
                         address_text(founder.address));
  }
  return text;
}

base::Result<std::vector<Founder>> read_kept(env::Disk& disk, const std::string& path) {
  ALF_TRY(const std::optional<std::string> list, read_checked_line(disk, path, kFirstWords));
  if (!list) {
    return base::Error{base::ErrorCode::kCorruption,
                       base::format("read {}: its checksum does not fit: who the other members are "
                                    "is not known; restore the file from another copy of it",
                                    path)};
  }
  return parse_founders(*list);
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
  return write_checked_line(disk, dir, founders_path(dir), kFirstWords, list_of(founders));
}

uint64_t cluster_uid_of(const std::vector<Founder>& founders) {
  return base::hash64(list_of(founders), 0xa1f) | 1;
}

}  // namespace alfheim::server
