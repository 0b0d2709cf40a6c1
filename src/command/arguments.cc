#include "command/arguments.h"

#include <utility>

#include "base/check.h"

namespace alfheim::command {

Arguments::Arguments(std::span<const base::ByteView> words) {
  words_.reserve(words.size());
  for (const base::ByteView word : words) {
    words_.push_back(types::ValueInput{.bytes = word, .length_bytes = word.size()});
  }
}

Arguments::Arguments(absl::InlinedVector<types::ValueInput, 8> words) : words_(std::move(words)) {}

base::ByteView Arguments::operator[](size_t index) const {
  const types::ValueInput& word = value(index);
  ALF_CHECK(word.bytes.size() == word.length_bytes);
  return word.bytes;
}

const types::ValueInput& Arguments::value(size_t index) const {
  ALF_CHECK(index < words_.size());
  return words_[index];
}

}  // namespace alfheim::command
