#include "sim/hands/sim_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"

namespace alfheim::sim {
namespace {

base::Error failure(base::ErrorCode code, const char* what, const std::string& path,
                    const char* found) {
  return base::Error{code, fmt::format("{} {}: {}", what, path, found)};
}

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, end - start);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    start = end + 1;
  }
  return parts;
}

bool is_within(const InodePtr& inode, const InodePtr& directory) {
  if (inode == directory) return true;
  return std::any_of(directory->names.begin(), directory->names.end(), [&](const auto& entry) {
    return entry.second->is_directory && is_within(inode, entry.second);
  });
}

}  // namespace

NameTree::NameTree() : root_(std::make_shared<Inode>(Inode{.is_directory = true})) {}

// Directories that were renamed into each other across crashes could hold themselves alive in a
// ring (cached names one way, durable names the other), so the names are taken apart by hand.
NameTree::~NameTree() {
  unsynced_.clear();
  for (const InodePtr& inode : named_inodes()) {
    inode->names.clear();
    inode->durable_names.clear();
  }
}

base::Result<InodePtr> NameTree::find(const std::string& path) const {
  InodePtr at = root_;
  for (const std::string& part : split(path)) {
    if (!at->is_directory) {
      return failure(base::ErrorCode::kNotFound, "find", path, "a part is not a directory");
    }
    const auto found = at->names.find(part);
    if (found == at->names.end()) {
      return failure(base::ErrorCode::kNotFound, "find", path, "no such file or directory");
    }
    at = found->second;
  }
  return at;
}

base::Result<NameTree::Name> NameTree::resolve(const std::string& path) const {
  const std::vector<std::string> parts = split(path);
  if (parts.empty()) return failure(base::ErrorCode::kIo, "find", path, "it is the root");
  Name name{root_, parts.back()};
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto found = name.directory->names.find(parts[i]);
    if (found == name.directory->names.end() || !found->second->is_directory) {
      return failure(base::ErrorCode::kNotFound, "find", path, "no such directory");
    }
    name.directory = found->second;
  }
  return name;
}

base::Result<InodePtr> NameTree::create(const std::string& path, bool is_directory) {
  ALF_TRY(Name name, resolve(path));
  if (name.directory->names.contains(name.text)) {
    return failure(base::ErrorCode::kAlreadyExists, "create", path, "the name is taken");
  }
  auto inode = std::make_shared<Inode>(Inode{.is_directory = is_directory});
  apply({.added = std::move(name), .inode = inode});
  return inode;
}

base::Status NameTree::rename(const std::string& from, const std::string& to) {
  ALF_TRY(Name source, resolve(from));
  ALF_TRY(Name target, resolve(to));
  ALF_TRY_STATUS(check_rename(source, target, from, to));
  InodePtr inode = source.directory->names.at(source.text);
  const auto replaced = target.directory->names.find(target.text);
  if (replaced != target.directory->names.end() && replaced->second == inode) return base::ok();
  apply({.added = std::move(target), .removed = std::move(source), .inode = std::move(inode)});
  return base::ok();
}

base::Status NameTree::check_rename(const Name& source, const Name& target, const std::string& from,
                                    const std::string& to) const {
  const auto found = source.directory->names.find(source.text);
  if (found == source.directory->names.end()) {
    return failure(base::ErrorCode::kNotFound, "rename", from, "no such file or directory");
  }
  const InodePtr& inode = found->second;
  if (inode->is_directory && is_within(target.directory, inode)) {
    return failure(base::ErrorCode::kIo, "rename", from, "the target lies inside it");
  }
  const auto replaced = target.directory->names.find(target.text);
  if (replaced == target.directory->names.end() || replaced->second == inode) return base::ok();
  if (replaced->second->is_directory != inode->is_directory) {
    return failure(base::ErrorCode::kIo, "rename to", to, "one is a directory, the other a file");
  }
  if (!replaced->second->names.empty()) {
    return failure(base::ErrorCode::kIo, "rename to", to, "the directory is not empty");
  }
  return base::ok();
}

base::Status NameTree::unlink(const std::string& path) {
  ALF_TRY(Name name, resolve(path));
  ALF_TRY(InodePtr inode, find(path));
  if (inode->is_directory) return failure(base::ErrorCode::kIo, "unlink", path, "a directory");
  apply({.removed = std::move(name), .inode = std::move(inode)});
  return base::ok();
}

base::Status NameTree::remove_dir(const std::string& path) {
  ALF_TRY(Name name, resolve(path));
  ALF_TRY(InodePtr inode, find(path));
  if (!inode->is_directory) return failure(base::ErrorCode::kIo, "rmdir", path, "a file");
  if (!inode->names.empty()) return failure(base::ErrorCode::kIo, "rmdir", path, "it is not empty");
  apply({.removed = std::move(name), .inode = std::move(inode)});
  return base::ok();
}

base::Status NameTree::link(const std::string& from, const std::string& to) {
  ALF_TRY(InodePtr inode, find(from));
  if (inode->is_directory) return failure(base::ErrorCode::kIo, "link", from, "a directory");
  ALF_TRY(Name name, resolve(to));
  if (name.directory->names.contains(name.text)) {
    return failure(base::ErrorCode::kAlreadyExists, "link", to, "the name is taken");
  }
  apply({.added = std::move(name), .inode = std::move(inode)});
  return base::ok();
}

base::Result<uint64_t> NameTree::link_count(const std::string& path) const {
  ALF_TRY(const InodePtr inode, find(path));
  uint64_t count = 0;
  for (const InodePtr& holder : named_inodes()) {
    for (const auto& entry : holder->names) count += entry.second == inode ? 1 : 0;
  }
  return count;
}

base::Result<std::vector<std::string>> NameTree::list(const std::string& path) const {
  ALF_TRY(const InodePtr directory, find(path));
  if (!directory->is_directory) {
    return failure(base::ErrorCode::kNotFound, "list", path, "not a directory");
  }
  std::vector<std::string> names;
  for (const auto& entry : directory->names) names.push_back(entry.first);
  return names;
}

void NameTree::apply(Operation operation) {
  const Name& removed = operation.removed;
  const Name& added = operation.added;
  if (removed.directory != nullptr) removed.directory->names.erase(removed.text);
  if (added.directory != nullptr) added.directory->names[added.text] = operation.inode;
  unsynced_.push_back(std::move(operation));
}

base::Status NameTree::sync_dir(const std::string& path) {
  ALF_TRY(const InodePtr directory, find(path));
  if (!directory->is_directory) {
    return failure(base::ErrorCode::kNotFound, "sync directory", path, "not a directory");
  }
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const Operation& operation = unsynced_[i];
    if (operation.added.directory == directory || operation.removed.directory == directory) {
      keep_with_dependencies(i);
    }
  }
  commit_kept();
  return base::ok();
}

base::Status NameTree::sync_dir_some(const std::string& path, SimRandom& random) {
  ALF_TRY(const InodePtr directory, find(path));
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const Operation& operation = unsynced_[i];
    const bool is_here =
        operation.added.directory == directory || operation.removed.directory == directory;
    if (is_here && random.coin()) keep_with_dependencies(i);
  }
  commit_kept();
  return base::ok();
}

void NameTree::keep_with_dependencies(size_t position) {
  Operation& operation = unsynced_[position];
  if (operation.is_kept) return;
  operation.is_kept = true;
  for (size_t i = position; i-- > 0;) {
    const Name& put = unsynced_[i].added;
    if (put.directory == nullptr) continue;
    const bool put_what_goes = unsynced_[i].inode == operation.inode &&
                               put.directory == operation.removed.directory &&
                               put.text == operation.removed.text;
    // An older file of the same name must not come back over the newer one at a later sync.
    const bool is_replaced =
        put.directory == operation.added.directory && put.text == operation.added.text;
    if (put_what_goes || is_replaced) keep_with_dependencies(i);
  }
}

void NameTree::commit_kept() {
  for (const Operation& operation : unsynced_) {
    if (!operation.is_kept) continue;
    if (operation.removed.directory != nullptr) {
      auto& names = operation.removed.directory->durable_names;
      const auto found = names.find(operation.removed.text);
      if (found != names.end() && found->second == operation.inode) names.erase(found);
    }
    if (operation.added.directory != nullptr) {
      operation.added.directory->durable_names[operation.added.text] = operation.inode;
    }
  }
  std::erase_if(unsynced_, [](const Operation& operation) { return operation.is_kept; });
}

void NameTree::crash(SimRandom& random, const CrashOptions& options) {
  for (size_t i = 0; i < unsynced_.size(); ++i) {
    const bool is_kept = options.keeps_newest_name ? i + 1 == unsynced_.size()
                                                   : random.chance_ppm(options.keep_name_ppm);
    if (is_kept) keep_with_dependencies(i);
  }
  commit_kept();
  unsynced_.clear();
  // What is seen from here on is what the disk holds.
  for (const InodePtr& inode : named_inodes()) inode->names = inode->durable_names;
  for (const InodePtr& inode : named_inodes()) {
    if (!inode->is_directory) inode->image.crash(random, options);
  }
}

size_t NameTree::unsynced_sector_count() const {
  size_t count = 0;
  for (const InodePtr& inode : named_inodes()) count += inode->image.unsynced_sector_count();
  return count;
}

uint64_t NameTree::allocated_bytes() const {
  uint64_t bytes = 0;
  std::vector<const Inode*> found{root_.get()};
  std::set<const Inode*> seen;  // asked for membership only: hard links count once
  for (size_t i = 0; i < found.size(); ++i) {
    bytes += found[i]->image.allocated_bytes();
    for (const auto& entry : found[i]->names) {
      if (seen.insert(entry.second.get()).second) found.push_back(entry.second.get());
    }
  }
  return bytes;
}

// Everything under the root, by cached or durable names, each once, in an order that repeats.
std::vector<InodePtr> NameTree::named_inodes() const {
  std::vector<InodePtr> found{root_};
  std::set<const Inode*> seen{root_.get()};  // asked for membership only, never walked
  for (size_t i = 0; i < found.size(); ++i) {
    const InodePtr inode = found[i];
    for (const auto* names : {&inode->names, &inode->durable_names}) {
      for (const auto& entry : *names) {
        if (seen.insert(entry.second.get()).second) found.push_back(entry.second);
      }
    }
  }
  return found;
}

}  // namespace alfheim::sim
