// tests/fuzz/memory_file: an env::File over bytes in memory, for decoders that read a file.
//
// Thread: one. Lifetime: owns its bytes. Only reading is there: a decoder that writes ends here.
#pragma once

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "env/disk.h"

namespace alfheim::fuzz {

class MemoryFile final : public env::File {
 public:
  explicit MemoryFile(base::Bytes bytes) : bytes_(std::move(bytes)) {}

  base::Result<size_t> read_at(uint64_t offset_bytes, std::span<char> out,
                               env::ReadMode /*mode*/) override {
    if (offset_bytes >= bytes_.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), bytes_.size() - offset_bytes);
    std::copy_n(bytes_.data() + offset_bytes, count, out.data());
    return count;
  }
  base::Result<uint64_t> size_bytes() override { return uint64_t{bytes_.size()}; }

  base::Status write_at(uint64_t, base::ByteView) override { return refuse(); }
  base::Status write_at_durable(uint64_t, base::ByteView) override { return refuse(); }
  base::Status sync() override { return refuse(); }
  base::Status allocate(uint64_t) override { return refuse(); }
  base::Status truncate(uint64_t) override { return refuse(); }

 private:
  static base::Status refuse() {
    ALF_CHECK_MSG(false, "a decoder only reads");
    return base::ok();
  }

  base::Bytes bytes_;
};

}  // namespace alfheim::fuzz
