// The canary: a decoder with a bug on purpose, one for each thing that a fuzzer relies on.
//
// A suite that finds nothing here would find nothing elsewhere: scripts/fuzz fails unless each of
// these three binaries is broken within its time. CANARY chooses the bug behind the same door:
//   1  reads a byte behind the end       (AddressSanitizer must see it)
//   2  shifts by as much as is asked for  (UndefinedBehaviorSanitizer)
//   3  breaks a check of our own          (ALF_CHECK)
// The door is a magic of two bytes, which coverage finds byte by byte. Behind it one input in two
// is broken: a machine that gives only some ten thousand runs in the time must find it, too.
//
// Nothing of this is linked into anything else.
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"

namespace alfheim::fuzz {
namespace {

void decode(base::ByteView bytes) {
  Input input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // A branch each: in a loop the coverage of the second byte would be that of the first.
  if (input.take_u8() != 'T') return;
  if (input.take_u8() != 'W') return;
  const uint8_t number = input.take_u8();
#if CANARY == 1
  const std::vector<char> body(16);
  volatile char sink = 0;
  sink = *(body.data() + number % 32);
  static_cast<void>(sink);
#elif CANARY == 2
  volatile uint32_t sink = 1;
  sink = sink << number;
  static_cast<void>(sink);
#elif CANARY == 3
  ALF_CHECK(number < 100);
#else
#error "CANARY chooses the bug"
#endif
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  fuzz::decode(base::ByteView(reinterpret_cast<const char*>(data), size));
  return 0;
}
