// must_not_compile: cannot convert|could not convert|no viable conversion|no known conversion
//
// A bare integer must be given its meaning where it enters, not where it is used.
#include <cstdint>

#include "base/ids.h"

namespace base = alfheim::base;

void send_to(base::NodeId peer);

void caller(uint64_t raw) {
#ifdef ALF_MUST_NOT_COMPILE
  send_to(raw);
#else
  send_to(base::NodeId{raw});
#endif
}
