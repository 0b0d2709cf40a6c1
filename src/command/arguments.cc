#include "command/arguments.h"

#include "base/check.h"

namespace alfheim::command {

Arguments::Arguments(std::span<const base::ByteView> words,
                     std::span<const types::ValueInput> inputs)
    : words_(words), inputs_(inputs) {
  ALF_CHECK(words.size() == inputs.size());
}

types::ValueInput Arguments::value(size_t index) const {
  ALF_CHECK(index < words_.size());
  if (!inputs_.empty()) return inputs_[index];
  const base::ByteView word = words_[index];
  types::ValueInput input{.bytes = word, .length_bytes = word.size()};
  if (place_.payload != nullptr && word.size() >= place_.value_threshold_bytes) {
    input.entry_offset_bytes = static_cast<uint32_t>(word.data() - place_.payload);
  }
  return input;
}

void Arguments::check_in_memory(size_t index) const {
  ALF_CHECK(words_[index].size() == inputs_[index].length_bytes);
}

}  // namespace alfheim::command
