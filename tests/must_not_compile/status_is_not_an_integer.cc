// must_not_compile: cannot convert|could not convert|no viable conversion
//
// Success is asked for; a Status does not turn into a number or a bool by accident.
#include "base/result.h"

bool caller(const alfheim::base::Status& status) {
#ifdef ALF_MUST_NOT_COMPILE
  const bool done = status;
#else
  const bool done = status.is_ok();
#endif
  return done;
}
