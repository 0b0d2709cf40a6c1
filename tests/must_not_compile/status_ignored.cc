// must_not_compile: Werror=unused-result
//
// An error that nobody looks at is an acknowledged write that is not on disk.
#include "base/result.h"

alfheim::base::Status sync_file();

void caller() {
#ifdef ALF_MUST_NOT_COMPILE
  sync_file();
#else
  if (!sync_file().is_ok()) return;
#endif
}
