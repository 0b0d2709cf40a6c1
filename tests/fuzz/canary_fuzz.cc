// The canary: a decoder with a bug on purpose, one for each thing that a fuzzer relies on.
//
// A suite that finds nothing here would find nothing elsewhere: scripts/fuzz fails unless each of
// these three binaries is broken within its time. CANARY chooses the bug behind the same door:
//   1  reads one byte behind the end      (AddressSanitizer must see it)
//   2  shifts by as much as is asked for  (UndefinedBehaviorSanitizer)
//   3  breaks a check of our own          (ALF_CHECK)
// The door is one that only coverage finds in seconds: a magic of four bytes, byte by byte.
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
  for (const char expected : {'B', 'I', 'R', 'D'}) {
    if (input.take_u8() != static_cast<uint8_t>(expected)) return;
  }
  const uint8_t number = input.take_u8();
#if CANARY == 1
  const std::vector<char> body(16);
  volatile char sink = 0;
  if (number <= body.size()) sink = *(body.data() + number);
#elif CANARY == 2
  volatile uint32_t sink = 1;
  sink = sink << number;
#elif CANARY == 3
  ALF_CHECK(number != 200);
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
