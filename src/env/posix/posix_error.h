// env/posix/posix_error: from errno to an Error.
//
// ENOSPC and EDQUOT are kNoSpace, ENOENT and ENOTDIR kNotFound, EEXIST kAlreadyExists; all
// else is kIo. The message reads "<what> <path>: ENAME (text)".
//
// Thread: any. Lifetime: owns its message.
#pragma once

#include <string_view>

#include "base/result.h"

namespace alfheim::env {

base::Error error_from_errno(std::string_view what, std::string_view path, int error_number);

}  // namespace alfheim::env
