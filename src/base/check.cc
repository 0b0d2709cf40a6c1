#include "base/check.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace alfheim::base {

void check_failed(const char* file, int line, const char* condition,
                  std::string_view detail) noexcept {
  char text[512];
  int length = std::snprintf(text, sizeof text, "FATAL check failed: %s at %s:%d %.*s\n", condition,
                             file, line, static_cast<int>(detail.size()), detail.data());
  if (length > static_cast<int>(sizeof text) - 1) length = sizeof text - 1;
  // The process dies on the next line: a short write here has nobody left to tell.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, text, static_cast<size_t>(length));
  std::abort();
}

}  // namespace alfheim::base
