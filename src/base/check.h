// base/check: what must be true, or the process ends here.
//
// ALF_CHECK is for our own bugs only, never for input, disk or network. It is always on:
// a node that has broken its own invariant must stop before it votes or answers again.
// One condition per check, so that the line names what was wrong.
#pragma once

#include <string_view>

namespace alfheim::base {

// Prints one line to stderr and aborts. Never returns, never allocates.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view detail = {}) noexcept;

}  // namespace alfheim::base

#define ALF_CHECK(condition)                                                \
  (__builtin_expect(static_cast<bool>(condition), 1)                        \
       ? static_cast<void>(0)                                               \
       : ::alfheim::base::check_failed(__FILE__, __LINE__, #condition))

// The same with a sentence that says what the condition means.
#define ALF_CHECK_MSG(condition, detail)                                    \
  (__builtin_expect(static_cast<bool>(condition), 1)                        \
       ? static_cast<void>(0)                                               \
       : ::alfheim::base::check_failed(__FILE__, __LINE__, #condition, (detail)))
