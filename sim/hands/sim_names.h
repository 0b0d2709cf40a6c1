// sim/hands/sim_names: the directory tree of a simulated disk, as cached and as on disk.
//
// Each create, link, unlink and rename changes what is seen at once, and stands in one ordered
// list until sync_dir of its directory makes it durable. A crash keeps any subset of that list,
// whatever the order, with one honesty: an operation that removes or replaces what stands under
// a name takes along the operations that put it there. So a rename shows the old or the new
// name, never neither and never both; one across directories is durable when either is synced.
//
// Thread: one at a time (SimDisk's mutex). Lifetime: inodes live while a name or a File holds
// them (shared_ptr: the directories, the list of operations, open Files).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/hands/sim_file_image.h"

namespace alfheim::sim {

struct Inode;
using InodePtr = std::shared_ptr<Inode>;

// A file (image) or a directory (names).
struct Inode {
  bool is_directory = false;
  FileImage image;
  std::map<std::string, InodePtr> names;
  std::map<std::string, InodePtr> durable_names;
};

class NameTree {
 public:
  NameTree();
  ~NameTree();
  NameTree(const NameTree&) = delete;
  NameTree& operator=(const NameTree&) = delete;

  base::Result<InodePtr> find(const std::string& path) const;
  base::Result<InodePtr> create(const std::string& path, bool is_directory);
  base::Status rename(const std::string& from, const std::string& to);
  base::Status unlink(const std::string& path);
  base::Status remove_dir(const std::string& path);
  base::Status link(const std::string& from, const std::string& to);
  base::Result<uint64_t> link_count(const std::string& path) const;
  base::Result<std::vector<std::string>> list(const std::string& path) const;

  base::Status sync_dir(const std::string& path);
  // Only some of the operations became durable, as when the machine stopped in its midst.
  base::Status sync_dir_some(const std::string& path, SimRandom& random);
  // Keeps a subset of the unsynced operations, then crashes every file that is left.
  void crash(SimRandom& random, const CrashOptions& options);

  size_t unsynced_operation_count() const { return unsynced_.size(); }
  size_t unsynced_sector_count() const;
  uint64_t allocated_bytes() const;  // of all files that have a name

 private:
  struct Name {
    InodePtr directory;
    std::string text;
  };
  struct Operation {
    Name added;    // no directory: nothing is added
    Name removed;  // no directory: nothing is removed
    InodePtr inode;
    bool is_kept = false;
  };

  base::Result<Name> resolve(const std::string& path) const;
  base::Status check_rename(const Name& source, const Name& target, const std::string& from,
                            const std::string& to) const;
  void apply(Operation operation);
  // Marks what is to become durable, with what it depends on; then makes it so.
  void keep_with_dependencies(size_t position);
  void commit_kept();
  std::vector<InodePtr> named_inodes() const;

  InodePtr root_;
  std::vector<Operation> unsynced_;
};

}  // namespace alfheim::sim
