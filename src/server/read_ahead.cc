#include "server/read_ahead.h"

#include <array>
#include <span>

#include "machine/key_ahead.h"

namespace alfheim::server {
namespace {

// Longer ones cost more to look for than they save.
constexpr size_t kKeyBytesMax = 256;

}  // namespace

size_t ReadAhead::ask(std::optional<base::ByteView> first, const resp::RequestCutter& cutter,
                      machine::Machine& machine, base::DatabaseIndex database) {
  std::array<base::ByteView, machine::kPrefetchedKeysMax> keys;
  size_t count = 0;
  const auto add = [&](base::ByteView key) {
    if (!key.empty() && key.size() <= kKeyBytesMax) keys[count++] = key;
  };
  if (first) add(*first);
  size_t looked = 0;
  size_t offset = 0;
  for (; count < keys.size() && looked < keys.size(); ++looked) {
    const std::optional<base::ByteView> word = cutter.peek_second_word(offset);
    if (!word) break;
    add(*word);
  }
  // One alone gains nothing.
  if (count > 1) machine::prefetch_keys(machine, database, std::span(keys).first(count));
  return looked;
}

}  // namespace alfheim::server
