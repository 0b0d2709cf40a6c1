// server/owned_request: a request that outlives its turn in the read buffer.
//
// For what runs later or elsewhere: queued by MULTI, stalled behind earlier writes, read or
// encoded on the pool. A copy of the words, or the very buffers that they were
// read into.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "resp/request_cutter.h"

namespace alfheim::server {

class OwnedRequest {
 public:
  OwnedRequest() = default;
  explicit OwnedRequest(std::span<const base::ByteView> words) {
    for (base::ByteView word : words) bytes_count_ += word.size();
    bytes_.reset(static_cast<char*>(std::malloc(bytes_count_ + 1)));
    ALF_CHECK_MSG(bytes_ != nullptr, "no memory for a request that was admitted");
    words_.reserve(words.size());
    char* at = bytes_.get();
    for (base::ByteView word : words) {
      if (!word.empty()) std::memcpy(at, word.data(), word.size());
      words_.emplace_back(at, word.size());
      at += word.size();
    }
  }
  explicit OwnedRequest(resp::RequestCutter::Taken taken)
      : buffers_(std::move(taken.buffers)),
        bytes_count_(taken.buffer_bytes),
        words_(std::move(taken.words)) {}

  std::span<const base::ByteView> words() const { return words_; }
  // 0 once it was moved from.
  size_t size_bytes() const {
    return words_.empty() ? 0 : bytes_count_ + words_.size() * sizeof(base::ByteView);
  }

 private:
  resp::RequestCutter::Buffer bytes_;                 // of a copy
  std::vector<resp::RequestCutter::Buffer> buffers_;  // of what was taken
  size_t bytes_count_ = 0;
  std::vector<base::ByteView> words_;  // into either, which stay put when this moves
};

}  // namespace alfheim::server
