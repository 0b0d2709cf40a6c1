#include "env/posix/posix_error.h"

#include <errno.h>
#include <fmt/format.h>
#include <string.h>

namespace alfheim::env {
namespace {

base::ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return base::ErrorCode::kNoSpace;
    case ENOENT:
    case ENOTDIR: return base::ErrorCode::kNotFound;
    case EEXIST: return base::ErrorCode::kAlreadyExists;
    default: return base::ErrorCode::kIo;
  }
}

}  // namespace

base::Error error_from_errno(std::string_view what, std::string_view path, int error_number) {
  // The _np forms return constants, so they are safe on any thread (strerror is not).
  const char* name = strerrorname_np(error_number);
  const char* text = strerrordesc_np(error_number);
  return base::Error{code_of(error_number),
                     fmt::format("{} {}: {} ({})", what, path, name != nullptr ? name : "errno",
                                 text != nullptr ? text : fmt::format("{}", error_number).c_str())};
}

}  // namespace alfheim::env
