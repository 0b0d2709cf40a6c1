#include "base/result.h"

namespace alfheim::base {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid argument";
    case ErrorCode::kNotFound: return "not found";
    case ErrorCode::kAlreadyExists: return "already exists";
    case ErrorCode::kCorruption: return "corruption";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kNoSpace: return "no space";
    case ErrorCode::kWouldBlock: return "would block";
    case ErrorCode::kUnavailable: return "unavailable";
    case ErrorCode::kLimit: return "limit";
    case ErrorCode::kInternal: return "internal";
  }
  ALF_CHECK_MSG(false, "an ErrorCode without a name");
}

}  // namespace alfheim::base
