// sim/hands/sim_disk_file: one open File of a SimDisk (private to sim_disk*.cc).
//
// Two Files of one path share the inode, so they see each other's writes at once. A failed sync
// or durable write finishes this File only; another File's sync would then answer well and lie,
// as the kernel does.
//
// Thread: any (the disk's mutex). Lifetime: the disk outlives it.
#pragma once

#include "sim/hands/sim_disk.h"

namespace alfheim::sim {

class SimDisk::SimFile final : public env::File {
 public:
  SimFile(SimDisk& disk, InodePtr inode, std::string path, env::OpenOptions options);

  base::Result<size_t> read_at(uint64_t offset_bytes, std::span<char> out,
                               env::ReadMode mode) override;
  base::Status write_at(uint64_t offset_bytes, base::ByteView data) override;
  base::Status write_at_durable(uint64_t offset_bytes, base::ByteView data) override;
  base::Status sync() override;
  base::Result<uint64_t> size_bytes() override;
  base::Status allocate(uint64_t size_bytes) override;
  base::Status truncate(uint64_t size_bytes) override;

 private:
  // kIo when the machine crashed since the open.
  base::Status refuse_when_dead(const char* what) const;
  // Also when it is finished or was opened for reading.
  base::Status refuse_change(const char* what) const;
  base::Status refuse_without_room(const char* what, uint64_t size_bytes) const;
  base::Error failure(base::ErrorCode code, const char* what, const char* found) const;

  SimDisk& disk_;
  const InodePtr inode_;  // shared with the names and other Files of the same file
  const std::string path_;
  const env::OpenOptions options_;
  const uint64_t generation_;
  bool is_finished_ = false;
};

}  // namespace alfheim::sim
