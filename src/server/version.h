// server/version: what this build calls itself.
//
// Thread: constants.
#pragma once

#include <string_view>

namespace alfheim::server {

#ifdef ALF_MUTANTS
// Can be told to have a bug (base/mutant.h): nobody may take it for the product.
inline constexpr std::string_view kVersion = "0.1.0-mutants";
#else
inline constexpr std::string_view kVersion = "0.1.0";
#endif
// The Redis whose commands and replies clients may expect.
inline constexpr std::string_view kRedisVersion = "7.2.4";

}  // namespace alfheim::server
