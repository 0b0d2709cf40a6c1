// server/option_text: the forms of values that options share: sizes, addresses, limits, levels.
//
// Thread: any; pure. An Error's message says what was found and what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "server/options.h"

namespace alfheim::server {

// Redis's sizes: a number with b, k, kb, m, mb, g, gb (k is 1000, kb is 1024), in any case.
base::Result<uint64_t> parse_size(std::string_view text);
// The shortest such form that is exact: "64mb".
std::string size_text(uint64_t bytes);
// "host:port" or "[v6]:port"; the port may be 0 where the system shall choose.
base::Result<env::PeerAddress> parse_address(std::string_view text);
// "hard soft seconds", or Redis's form "normal hard soft seconds [slave ... pubsub ...]", of
// which only the normal clients' part is kept: there are no others here.
base::Result<OutputLimit> parse_output_limit(std::string_view text);
base::Result<LogLevel> parse_log_level(std::string_view text);
// What may be an --id: letters, digits and a few marks.
base::Status check_node_name(std::string_view text);
inline constexpr size_t kNodeNameBytesMax = 64;
// A whole number of [min, max].
base::Result<uint64_t> parse_count(std::string_view text, uint64_t min, uint64_t max);

}  // namespace alfheim::server
