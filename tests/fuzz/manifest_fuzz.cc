// Fuzzes upkeep/snapshot_manifest: a MANIFEST as it is, and with magic, version and checksum made
// right.
#include "base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "upkeep/snapshot_manifest.h"

namespace alfheim::fuzz {
namespace {

constexpr size_t kCrcOffset = 12;
constexpr size_t kGuardedOffset = 16;

void decode(base::ByteView bytes) {
  const auto manifest = upkeep::decode_manifest(bytes);
  if (!manifest.is_ok()) {
    ALF_CHECK(manifest.error().code == base::ErrorCode::kCorruption);
    return;
  }
  for (const upkeep::SnapshotFile& file : manifest->files) {
    ALF_CHECK(upkeep::is_snapshot_file(file.name));
  }
  const auto again = upkeep::decode_manifest(upkeep::encode_manifest(*manifest));
  ALF_CHECK(again.is_ok());
  ALF_CHECK(*again == *manifest);
}

void reseal(base::Bytes& bytes) {
  static const base::Bytes kProper = upkeep::encode_manifest({.id = 1});
  bytes.replace(0, kCrcOffset, kProper, 0, kCrcOffset);
  const base::ByteView view = bytes;
  overwrite(bytes, kCrcOffset,
            base::crc32c(view.substr(kGuardedOffset), base::crc32c(view.substr(0, kCrcOffset))));
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  base::Bytes bytes(reinterpret_cast<const char*>(data), size);
  fuzz::decode(bytes);
  if (bytes.size() < fuzz::kGuardedOffset) return 0;
  fuzz::reseal(bytes);
  fuzz::decode(bytes);
  return 0;
}
