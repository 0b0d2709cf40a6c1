// must_not_compile: no match for|invalid operands
//
// "Is this term newer" and "is this index newer" are different questions.
#include "base/ids.h"

namespace base = alfheim::base;

bool caller(base::Term term, base::LogIndex index) {
#ifdef ALF_MUST_NOT_COMPILE
  return term < index;
#else
  return term < base::Term{2} && index < base::LogIndex{2};
#endif
}
