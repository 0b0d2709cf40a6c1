#include "resp/inline_request.h"

#include "base/text.h"

namespace alfheim::resp {
namespace {

int hex_value(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  const char lower = base::ascii_lower(letter);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

char unescaped(char letter) {
  switch (letter) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return letter;
  }
}

// Walks over one line. Writes each argument to where it was read from, so `out_` never
// overtakes `in_`.
class Splitter {
 public:
  explicit Splitter(std::span<char> line) : line_(line) {}

  void skip_blanks() {
    while (base::is_ascii_space(peek())) ++in_;
  }
  // A NUL and the end look the same, as they do to Redis.
  bool is_at_end() const { return peek() == '\0'; }

  bool take_argument(std::string_view& argument) {
    const size_t start = in_;
    out_ = in_;
    bool is_good = true;
    switch (take_plain()) {
      case '"': is_good = take_double_quoted(); break;
      case '\'': is_good = take_single_quoted(); break;
      default: break;
    }
    argument = {line_.data() + start, out_ - start};
    return is_good;
  }

 private:
  char peek(size_t ahead = 0) const {
    return in_ + ahead < line_.size() ? line_[in_ + ahead] : '\0';
  }
  void put(char letter) { line_[out_++] = letter; }

  // Takes what stands outside quotes; returns the quote that was opened, or 0 at the end.
  char take_plain() {
    for (;; ++in_) {
      const char letter = peek();
      switch (letter) {
        case ' ':
        case '\n':
        case '\r':
        case '\t':
        case '\0': return 0;
        case '"':
        case '\'': ++in_; return letter;
        default: put(letter);
      }
    }
  }

  // At a closing quote: only a blank or the end may follow.
  bool close_quote() {
    ++in_;
    return is_at_end() || base::is_ascii_space(peek());
  }

  bool take_double_quoted() {
    while (!is_at_end()) {
      const char letter = peek();
      if (letter == '"') return close_quote();
      if (letter != '\\' || peek(1) == '\0') {
        put(letter);
        ++in_;
      } else if (peek(1) == 'x' && hex_value(peek(2)) >= 0 && hex_value(peek(3)) >= 0) {
        put(static_cast<char>(hex_value(peek(2)) * 16 + hex_value(peek(3))));
        in_ += 4;
      } else {
        put(unescaped(peek(1)));
        in_ += 2;
      }
    }
    return false;
  }

  bool take_single_quoted() {
    while (!is_at_end()) {
      if (peek() == '\'') return close_quote();
      if (peek() == '\\' && peek(1) == '\'') ++in_;
      put(peek());
      ++in_;
    }
    return false;
  }

  std::span<char> line_;
  size_t in_ = 0;
  size_t out_ = 0;
};

}  // namespace

bool split_inline(std::span<char> line, std::vector<std::string_view>& arguments) {
  Splitter splitter(line);
  for (splitter.skip_blanks(); !splitter.is_at_end(); splitter.skip_blanks()) {
    std::string_view argument;
    if (!splitter.take_argument(argument)) return false;
    arguments.push_back(argument);
  }
  return true;
}

}  // namespace alfheim::resp
