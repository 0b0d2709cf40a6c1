#include "server/option_text.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;

Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

std::optional<uint64_t> unit_bytes(std::string_view unit) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 8> kUnits = {
      {{"", 1},
       {"b", 1},
       {"k", 1000},
       {"kb", base::kKiB},
       {"m", 1000 * 1000},
       {"mb", base::kMiB},
       {"g", 1000 * 1000 * 1000},
       {"gb", base::kGiB}}};
  for (const auto& [name, bytes] : kUnits) {
    if (base::equals_ignore_case(name, unit)) return bytes;
  }
  return std::nullopt;
}

std::optional<uint64_t> digits_value(std::string_view digits) {
  if (digits.empty() || digits.size() > 19) return std::nullopt;
  uint64_t value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  return value;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (;;) {
    const size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

Result<OutputLimit> output_limit_of(std::string_view hard, std::string_view soft,
                                    std::string_view seconds) {
  const Result<uint64_t> hard_bytes = parse_size(hard);
  const Result<uint64_t> soft_bytes = parse_size(soft);
  const std::optional<uint64_t> soft_seconds = digits_value(seconds);
  if (!hard_bytes || !soft_bytes || !soft_seconds) {
    return invalid("Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  }
  return OutputLimit{*hard_bytes, *soft_bytes, *soft_seconds};
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  const size_t digit_count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<uint64_t> number = digits_value(text.substr(0, digit_count));
  const std::optional<uint64_t> unit = unit_bytes(text.substr(digit_count));
  const uint64_t bytes_max = std::numeric_limits<int64_t>::max();
  if (!number || !unit || *number > bytes_max / *unit) {
    return invalid(
        base::format("found \"{}\", expected a size such as 1048576, 64kb, 256mb or 2gb", text));
  }
  return *number * *unit;
}

std::string size_text(uint64_t bytes) {
  if (bytes != 0 && bytes % base::kGiB == 0) return base::format("{}gb", bytes / base::kGiB);
  if (bytes != 0 && bytes % base::kMiB == 0) return base::format("{}mb", bytes / base::kMiB);
  if (bytes != 0 && bytes % base::kKiB == 0) return base::format("{}kb", bytes / base::kKiB);
  return base::format("{}", bytes);
}

Result<env::PeerAddress> parse_address(std::string_view text) {
  constexpr uint64_t kPortMax = 65535;
  const size_t colon = text.rfind(':');
  std::string_view host;
  uint64_t port = kPortMax + 1;
  if (colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = digits_value(text.substr(colon + 1)).value_or(kPortMax + 1);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find_first_of("[]") != std::string_view::npos) host = {};
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    host = {};
  }
  if (host.empty() || host.find_first_of(" \t/") != std::string_view::npos || port > kPortMax) {
    return invalid(base::format(
        "found \"{}\", expected HOST:PORT such as 127.0.0.1:6379 or [::1]:6379", text));
  }
  return env::PeerAddress{std::string(host), static_cast<uint16_t>(port)};
}

Result<OutputLimit> parse_output_limit(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  if (words.size() == 3) return output_limit_of(words[0], words[1], words[2]);
  if (words.empty() || words.size() % 4 != 0) {
    return invalid("Wrong number of arguments in buffer limit configuration.");
  }
  std::optional<OutputLimit> normal;
  for (size_t i = 0; i < words.size(); i += 4) {
    const bool is_normal = base::equals_ignore_case(words[i], "normal");
    if (!is_normal && !base::equals_ignore_case(words[i], "slave") &&
        !base::equals_ignore_case(words[i], "replica") &&
        !base::equals_ignore_case(words[i], "pubsub")) {
      return invalid("Invalid client class specified in buffer limit configuration.");
    }
    ALF_TRY(const OutputLimit limit, output_limit_of(words[i + 1], words[i + 2], words[i + 3]));
    if (is_normal) normal = limit;
  }
  if (!normal) return invalid("Only the limit of normal clients can be set.");
  return *normal;
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (base::equals_ignore_case(text, log_level_name(level))) return level;
  }
  // Redis's names.
  if (base::equals_ignore_case(text, "verbose") || base::equals_ignore_case(text, "notice")) {
    return LogLevel::kInfo;
  }
  return invalid(base::format("found \"{}\", expected debug, info, warning or error", text));
}

Result<uint64_t> parse_count(std::string_view text, uint64_t min, uint64_t max) {
  const std::optional<uint64_t> value = digits_value(text);
  if (!value || *value < min || *value > max) {
    return invalid(
        base::format("found \"{}\", expected a whole number from {} to {}", text, min, max));
  }
  return *value;
}

base::Status check_node_name(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(), [](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
           (letter >= 'A' && letter <= 'Z') || letter == '-' || letter == '_' || letter == '.';
  });
  if (!text.empty() && text.size() <= kNodeNameBytesMax && is_plain) return base::ok();
  return base::Error{base::ErrorCode::kInvalidArgument,
                     base::format("found \"{}\", expected 1 to {} letters, digits, '-', '_' or '.'",
                                  text, kNodeNameBytesMax)};
}

}  // namespace alfheim::server
