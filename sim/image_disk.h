// sim/image_disk: the content of a disk as a value: cheap to copy, and to change in one bit.
//
// Holds the files of one directory tree in memory; copies share what neither of them changes.
// There is no cache and no crash: for tests that open the same content many times, each time
// spoilt elsewhere (sim/rot).
//
// Thread: any (one mutex). Lifetime: outlives its files and locks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "env/disk.h"

namespace alfheim::sim {

class ImageDisk final : public env::Disk {
 public:
  ImageDisk() = default;
  ImageDisk(const ImageDisk& other);
  ImageDisk& operator=(const ImageDisk&) = delete;

  // All files directly in `dir`, and the directory.
  base::Status copy_from(env::Disk& disk, const std::string& dir);
  // The file must be there and hold that offset.
  void flip_bit(const std::string& path, uint64_t offset_bytes, unsigned bit);
  const base::Bytes& content(const std::string& path) const;
  std::vector<std::string> paths() const;  // of the files

  base::Result<std::unique_ptr<env::File>> open(const std::string& path,
                                                env::OpenOptions options) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status unlink(const std::string& path) override;
  base::Status link(const std::string& from, const std::string& to) override;
  base::Result<uint64_t> link_count(const std::string& path) override;
  base::Result<bool> exists(const std::string& path) override;
  base::Status make_dir(const std::string& path) override;
  base::Status remove_dir(const std::string& path) override;
  base::Status sync_dir(const std::string&) override { return base::ok(); }
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<std::unique_ptr<env::FileLock>> lock(const std::string& path) override;
  base::Result<uint64_t> free_bytes(const std::string& path) override;

 private:
  class ImageFile;
  // A file; its bytes are shared with the same file of copies until one of them writes.
  struct Node {
    std::shared_ptr<base::Bytes> bytes;
    base::Bytes& own();
  };
  using NodePtr = std::shared_ptr<Node>;  // shared by names (links) and open files
  base::Result<NodePtr> find(const std::string& path) const;

  mutable std::mutex mutex_;  // guards all below, and the nodes
  std::map<std::string, NodePtr> files_;
  std::map<std::string, bool> directories_{{"/", true}};
};

}  // namespace alfheim::sim
