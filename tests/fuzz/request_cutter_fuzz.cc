// Fuzzes resp/request_cutter: no input may crash it, and how the reads divide the bytes must
// not change what is cut.
//
// The first byte chooses the options, the second seeds the division; the rest is the input.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "resp/cut_all.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using alfheim::resp::RequestCutter;
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const RequestCutter::Options options{
      .bulk_bytes_max = (data[0] & 1) != 0 ? size_t{64} : size_t{1} << 20,
      .argument_count_max = (data[0] & 2) != 0 ? size_t{4} : size_t{1} << 20,
      .is_authenticated = (data[0] & 4) == 0,
      // So small that a request of few bytes lies in many buffers.
      .read_bytes = (data[0] & 8) != 0 ? size_t{16} : RequestCutter::kReadBytes,
  };
  const RequestCutter::Options in_one_buffer{.bulk_bytes_max = options.bulk_bytes_max,
                                             .argument_count_max = options.argument_count_max,
                                             .is_authenticated = options.is_authenticated};
  const auto whole = alfheim::resp::cut_all(input, in_one_buffer, [] { return size_t{1} << 30; });
  uint32_t chance = data[1] + 1u;
  const auto next_piece = [&chance] {
    chance = chance * 1664525u + 1013904223u;
    return 1 + (chance >> 24) % ((chance >> 16) % 2 == 0 ? 4 : 200);
  };
  ALF_CHECK(alfheim::resp::cut_all(input, options, next_piece) == whole);
  if (input.size() <= 4096) {
    ALF_CHECK(alfheim::resp::cut_all(input, options, [] { return 1; }) == whole);
  }
  return 0;
}
