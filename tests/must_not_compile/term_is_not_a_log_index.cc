// must_not_compile: cannot convert|could not convert|no viable conversion
//
// Term and LogIndex are both 64-bit counters that stand beside each other in every message.
#include "base/ids.h"

namespace base = alfheim::base;

void commit(base::LogIndex index);

void caller(base::Term term, base::LogIndex index) {
#ifdef ALF_MUST_NOT_COMPILE
  commit(term);
#else
  commit(index);
#endif
  static_cast<void>(term);
  static_cast<void>(index);
}
