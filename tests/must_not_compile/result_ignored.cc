// must_not_compile: Werror=unused-result
//
// A Result carries its error as a Status does; dropping the value drops the error too.
#include "base/result.h"

alfheim::base::Result<int> parse_port();

void caller() {
#ifdef ALF_MUST_NOT_COMPILE
  parse_port();
#else
  if (!parse_port().is_ok()) return;
#endif
}
