// env/posix/file_descriptor: owns one descriptor and closes it.
//
// A close that fails is not reported: whatever had to be durable was synced before, and
// bytes that were not synced carry no promise.
//
// Thread: as the descriptor it holds. Lifetime: moves, never copies.
#pragma once

#include <unistd.h>

#include <utility>

namespace alfheim::env {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor() {
    if (number_ >= 0) close(number_);
  }

  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

}  // namespace alfheim::env
