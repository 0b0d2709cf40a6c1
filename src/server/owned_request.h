// server/owned_request: a request that outlives the read buffer it was cut from.
//
// For what runs later or elsewhere: queued by MULTI, stalled behind earlier writes, read on
// the pool. One allocation for the bytes.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace alfheim::server {

class OwnedRequest {
 public:
  OwnedRequest() = default;
  explicit OwnedRequest(std::span<const base::ByteView> words) {
    size_t total = 0;
    for (base::ByteView word : words) total += word.size();
    bytes_ = std::make_unique<char[]>(total);
    bytes_count_ = total;
    words_.reserve(words.size());
    char* at = bytes_.get();
    for (base::ByteView word : words) {
      std::memcpy(at, word.data(), word.size());
      words_.emplace_back(at, word.size());
      at += word.size();
    }
  }

  std::span<const base::ByteView> words() const { return words_; }
  size_t size_bytes() const { return bytes_count_ + words_.size() * sizeof(base::ByteView); }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t bytes_count_ = 0;
  std::vector<base::ByteView> words_;  // into bytes_, which stays put when this moves
};

}  // namespace alfheim::server
