// vlog/meta: the hand on META, the small file of what a log must never forget.
//
// Two generations of two copies each (docs/formats/meta.md): a write goes over the older
// generation, in one durable write of both its copies, so that a torn write leaves the other
// one whole, and one rotten copy leaves its twin.
//
// Thread: any; writes exclude each other, reads never wait for a write's I/O.
// Lifetime: the Disk outlives it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "env/disk.h"
#include "vlog/aligned_buffer.h"
#include "vlog/meta_v1.h"

namespace alfheim::vlog {

inline constexpr uint64_t kMetaCopiesPerGeneration = 2;
inline constexpr uint64_t kMetaGenerationBytes = kMetaCopiesPerGeneration * kMetaBlockBytes;
inline constexpr uint64_t kMetaFileBytes = 2 * kMetaGenerationBytes;

class MetaFile {
 public:
  // Makes META with both generations whole, and its name durable. A crash leaves no META.
  static base::Result<std::unique_ptr<MetaFile>> create(env::Disk& disk, const std::string& dir,
                                                        const Meta& first);
  // kNotFound where there is none, kCorruption where no copy is whole.
  static base::Result<std::unique_ptr<MetaFile>> open(env::Disk& disk, const std::string& dir);
  // Reads without opening for write. Decodes the four copies, in file order.
  static base::Result<std::vector<base::Result<Meta>>> read_copies(env::Disk& disk,
                                                                   const std::string& dir);

  Meta current() const;
  // Changes a copy by `change` and makes it durable under the next generation. After an error
  // the file may hold either; the owner stops.
  base::Status update(const std::function<void(Meta&)>& change);

 private:
  MetaFile(std::unique_ptr<env::File> file, Meta current, std::string path);

  std::unique_ptr<env::File> file_;
  std::string path_;
  std::mutex write_mutex_;  // held over the I/O of one update; guards buffer_
  AlignedBuffer buffer_;
  mutable std::mutex state_mutex_;  // guards current_; never held over I/O
  Meta current_;
};

}  // namespace alfheim::vlog
