// Fuzzes vlog/meta_v1: a block of META, as it is and with magic, version and checksum made right.
#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "vlog/meta_v1.h"

namespace alfheim::fuzz {
namespace {

constexpr size_t kCrcOffset = 12;
constexpr size_t kGuardedOffset = 16;

void decode(base::ByteView block) {
  const auto meta = vlog::decode_meta(block);
  if (!meta.is_ok()) {
    ALF_CHECK(meta.error().code == base::ErrorCode::kCorruption);
    return;
  }
  const base::Bytes again = vlog::encode_meta(*meta);
  const auto second = vlog::decode_meta(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(*second == *meta);
}

void reseal(base::Bytes& block) {
  static const base::Bytes kProper = vlog::encode_meta(vlog::Meta{});
  block.replace(0, kCrcOffset, kProper, 0, kCrcOffset);
  const base::ByteView bytes = block;
  overwrite(block, kCrcOffset,
            base::crc32c(bytes.substr(kGuardedOffset), base::crc32c(bytes.substr(0, kCrcOffset))));
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  fuzz::Input input(data, size);
  fuzz::decode(base::ByteView(reinterpret_cast<const char*>(data), size));
  base::Bytes block = input.take_padded(vlog::kMetaBlockBytes);
  fuzz::decode(block);
  fuzz::reseal(block);
  fuzz::decode(block);
  return 0;
}
