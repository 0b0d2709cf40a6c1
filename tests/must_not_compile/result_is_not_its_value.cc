// must_not_compile: cannot convert|could not convert|no viable conversion
//
// A value comes out of a Result by asking for it, never by itself.
#include "base/result.h"

alfheim::base::Result<int> parse_port();

int caller() {
  const alfheim::base::Result<int> port = parse_port();
#ifdef ALF_MUST_NOT_COMPILE
  const int value = port;
#else
  const int value = port.is_ok() ? port.value() : 0;
#endif
  return value;
}
