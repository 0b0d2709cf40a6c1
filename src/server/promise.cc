#include "server/promise.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "base/number.h"
#include "server/checked_line.h"
#include "server/layout.h"

namespace alfheim::server {
namespace {

constexpr std::string_view kFirstWords = "alfheimdb promise 1 ";

base::Result<uint64_t> read_promise(env::Disk& disk, const std::string& path) {
  ALF_TRY(const bool is_there, disk.exists(path));
  if (!is_there) return uint64_t{0};
  ALF_TRY(const std::optional<std::string> words, read_checked_line(disk, path, kFirstWords));
  const std::optional<int64_t> ms = words ? base::parse_int64(*words) : std::nullopt;
  if (ms && *ms >= 0) return static_cast<uint64_t>(*ms);
  return base::Error{base::ErrorCode::kCorruption,
                     base::format("read {}: it is damaged; without it the node may be started once "
                                  "it was down for longer than any --election-ticks of it",
                                  path)};
}

}  // namespace

base::Result<uint64_t> keep_promise(env::Disk& disk, const std::string& dir, uint64_t promise_ms) {
  const std::string path = promise_path(dir);
  ALF_TRY(const uint64_t kept_ms, read_promise(disk, path));
  // It never goes back: a node that stops before it has waited would forget what it promised.
  if (promise_ms <= kept_ms) return kept_ms;
  ALF_TRY_STATUS(write_checked_line(disk, dir, path, kFirstWords, base::format("{}", promise_ms)));
  return promise_ms;
}

}  // namespace alfheim::server
