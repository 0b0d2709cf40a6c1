#include "vlog/segment_names.h"

#include <charconv>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::vlog {
namespace {

constexpr size_t kIdDigits = 20;
constexpr size_t kSpareDigits = 8;

std::optional<uint64_t> parse_digits(std::string_view text, size_t digits) {
  if (text.size() != digits) return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string path_in(const std::string& dir, std::string_view name) {
  return base::format("{}/{}", dir, name);
}

std::string segment_name(uint64_t id, std::string_view suffix) {
  ALF_CHECK(id != 0);
  return base::format("{:020}{}", id, suffix);
}

std::string spare_name(uint64_t number, std::string_view prefix) {
  return base::format("{}{:08}", prefix, number);
}

std::optional<uint64_t> parse_segment_name(std::string_view name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return std::nullopt;
  name.remove_suffix(suffix.size());
  return parse_digits(name, kIdDigits);
}

std::optional<uint64_t> parse_spare_name(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return parse_digits(name.substr(prefix.size()), kSpareDigits);
}

bool is_unfinished_name(std::string_view name) {
  if (parse_segment_name(name, kCopySuffix) || parse_segment_name(name, kNewSuffix)) return true;
  if (!name.ends_with(kNewSuffix)) return false;
  name.remove_suffix(kNewSuffix.size());
  return parse_spare_name(name) || parse_spare_name(name, kReservePrefix);
}

}  // namespace alfheim::vlog
