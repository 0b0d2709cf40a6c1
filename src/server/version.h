// server/version: what this build calls itself.
//
// Thread: constants.
#pragma once

#include <string_view>

namespace alfheim::server {

inline constexpr std::string_view kVersion = "0.1.0";
// The Redis whose commands and replies clients may expect.
inline constexpr std::string_view kRedisVersion = "7.2.4";

}  // namespace alfheim::server
