#include "sim/image_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::sim {
namespace {

base::Error missing(const std::string& path) {
  return {base::ErrorCode::kNotFound, base::format("find {}: no such file (image)", path)};
}

class ImageLock final : public env::FileLock {};  // an image has one user

}  // namespace

base::Bytes& ImageDisk::Node::own() {
  if (bytes.use_count() > 1) bytes = std::make_shared<base::Bytes>(*bytes);
  return *bytes;
}

class ImageDisk::ImageFile final : public env::File {
 public:
  ImageFile(ImageDisk& disk, NodePtr node) : disk_(disk), node_(std::move(node)) {}

  base::Result<size_t> read_at(uint64_t offset, std::span<char> out, env::ReadMode) override {
    const std::lock_guard lock(disk_.mutex_);
    const base::Bytes& bytes = *node_->bytes;
    if (offset >= bytes.size()) return size_t{0};
    const size_t length = std::min<size_t>(out.size(), bytes.size() - offset);
    std::memcpy(out.data(), bytes.data() + offset, length);
    return length;
  }
  base::Status write_at(uint64_t offset, base::ByteView data) override {
    const std::lock_guard lock(disk_.mutex_);
    base::Bytes& bytes = node_->own();
    if (bytes.size() < offset + data.size()) bytes.resize(offset + data.size(), '\0');
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<ptrdiff_t>(offset));
    return base::ok();
  }
  base::Status write_at_durable(uint64_t offset, base::ByteView data) override {
    return write_at(offset, data);
  }
  base::Status sync() override { return base::ok(); }
  base::Result<uint64_t> size_bytes() override {
    const std::lock_guard lock(disk_.mutex_);
    return uint64_t{node_->bytes->size()};
  }
  base::Status allocate(uint64_t size_bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    if (node_->bytes->size() < size_bytes) node_->own().resize(size_bytes, '\0');
    return base::ok();
  }
  base::Status truncate(uint64_t size_bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    node_->own().resize(size_bytes, '\0');
    return base::ok();
  }

 private:
  ImageDisk& disk_;
  const NodePtr node_;
};

ImageDisk::ImageDisk(const ImageDisk& other) : env::Disk(other) {
  const std::lock_guard lock(other.mutex_);
  directories_ = other.directories_;
  for (const auto& [path, node] : other.files_) files_[path] = std::make_shared<Node>(*node);
}

base::Status ImageDisk::copy_from(env::Disk& disk, const std::string& dir) {
  ALF_TRY_STATUS(make_dir(dir));
  ALF_TRY(const std::vector<std::string> names, disk.list(dir));
  for (const std::string& name : names) {
    const std::string path = dir + "/" + name;
    auto file = disk.open(path, {});
    if (!file) continue;  // a directory
    ALF_TRY(const uint64_t size_bytes, (*file)->size_bytes());
    auto bytes = std::make_shared<base::Bytes>(size_bytes, '\0');
    ALF_TRY(const size_t length, (*file)->read_at(0, *bytes));
    ALF_CHECK(length == size_bytes);
    files_[path] = std::make_shared<Node>(Node{std::move(bytes)});
  }
  return base::ok();
}

void ImageDisk::flip_bit(const std::string& path, uint64_t offset_bytes, unsigned bit) {
  const std::lock_guard lock(mutex_);
  base::Bytes& bytes = files_.at(path)->own();
  ALF_CHECK(offset_bytes < bytes.size());
  bytes[offset_bytes] = static_cast<char>(static_cast<uint8_t>(bytes[offset_bytes]) ^ (1u << bit));
}

const base::Bytes& ImageDisk::content(const std::string& path) const {
  return *files_.at(path)->bytes;
}

std::vector<std::string> ImageDisk::paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, node] : files_) paths.push_back(path);
  return paths;
}

base::Result<ImageDisk::NodePtr> ImageDisk::find(const std::string& path) const {
  const auto found = files_.find(path);
  if (found == files_.end()) return missing(path);
  return found->second;
}

base::Result<std::unique_ptr<env::File>> ImageDisk::open(const std::string& path,
                                                         env::OpenOptions options) {
  const std::lock_guard lock(mutex_);
  if (options.create_new) {
    const auto [place, is_new] = files_.emplace(path, nullptr);
    if (!is_new) {
      return base::Error{base::ErrorCode::kAlreadyExists, base::format("create {}: taken", path)};
    }
    place->second = std::make_shared<Node>(Node{std::make_shared<base::Bytes>()});
  }
  ALF_TRY(NodePtr node, find(path));
  return std::unique_ptr<env::File>(std::make_unique<ImageFile>(*this, std::move(node)));
}

base::Status ImageDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  ALF_TRY(NodePtr node, find(from));
  files_.erase(from);
  files_[to] = std::move(node);
  return base::ok();
}

base::Status ImageDisk::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (files_.erase(path) == 0) return missing(path);
  return base::ok();
}

base::Status ImageDisk::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  ALF_TRY(NodePtr node, find(from));
  files_[to] = std::move(node);
  return base::ok();
}

base::Result<uint64_t> ImageDisk::link_count(const std::string& path) {
  const std::lock_guard lock(mutex_);
  ALF_TRY(const NodePtr node, find(path));
  uint64_t count = 0;
  for (const auto& entry : files_) count += entry.second == node ? 1 : 0;
  return count;
}

base::Result<bool> ImageDisk::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return files_.contains(path) || directories_.contains(path);
}

base::Status ImageDisk::make_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  directories_[path] = true;
  return base::ok();
}

base::Status ImageDisk::remove_dir(const std::string& path) {
  ALF_TRY(const std::vector<std::string> names, list(path));
  if (!names.empty()) {
    return base::Error{base::ErrorCode::kIo, "rmdir " + path + ": it is not empty"};
  }
  const std::lock_guard lock(mutex_);
  directories_.erase(path);
  return base::ok();
}

base::Result<std::vector<std::string>> ImageDisk::list(const std::string& given) {
  const std::lock_guard lock(mutex_);
  std::string path = given;
  if (path.size() > 1 && path.back() == '/') path.pop_back();
  if (!directories_.contains(path)) return missing(path);
  const std::string prefix = path == "/" ? path : path + "/";
  std::vector<std::string> names;
  const auto take = [&](const std::string& entry) {
    if (!entry.starts_with(prefix) || entry.size() == prefix.size()) return;
    if (entry.find('/', prefix.size()) == std::string::npos) {
      names.push_back(entry.substr(prefix.size()));
    }
  };
  for (const auto& [file, node] : files_) take(file);
  for (const auto& [directory, is_there] : directories_) take(directory);
  std::sort(names.begin(), names.end());
  return names;
}

base::Result<std::unique_ptr<env::FileLock>> ImageDisk::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  NodePtr& node = files_[path];
  if (node == nullptr) node = std::make_shared<Node>(Node{std::make_shared<base::Bytes>()});
  return std::unique_ptr<env::FileLock>(std::make_unique<ImageLock>());
}

base::Result<uint64_t> ImageDisk::free_bytes(const std::string&) { return uint64_t{1} << 40; }

}  // namespace alfheim::sim
