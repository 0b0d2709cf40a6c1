// base/format: the one formatting helper: format("{} of {}", a, b) -> std::string.
//
// Included from .cc files only (fmt is heavy). The format string is checked when compiling.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

namespace alfheim::base {

template <typename... Arguments>
std::string format(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  return fmt::format(text, std::forward<Arguments>(arguments)...);
}

}  // namespace alfheim::base
