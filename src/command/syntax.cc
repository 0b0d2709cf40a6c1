#include "command/syntax.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/format.h"
#include "base/number.h"

namespace alfheim::command {
namespace {

using base::Result;
using base::Status;

constexpr std::string_view kTypeNames[] = {
    "string", "integer", "double", "key", "pattern", "unix-time", "pure-token", "oneof", "block",
};
static_assert(std::size(kTypeNames) == static_cast<size_t>(ArgumentType::kBlock) + 1);

// What ends a word. A name or a type holds none of these.
constexpr std::string_view kMarks = " =#()[]|+@~";

std::optional<ArgumentType> type_of_name(std::string_view name) {
  const auto* const found = std::find(std::begin(kTypeNames), std::end(kTypeNames), name);
  if (found == std::end(kTypeNames)) return std::nullopt;
  return static_cast<ArgumentType>(found - std::begin(kTypeNames));
}

// Recursive descent; the nesting is that of a text of ours, so it needs no bound.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<SyntaxArgument>> all() {
    if (text_.empty()) return std::vector<SyntaxArgument>();
    ALF_TRY(std::vector<SyntaxArgument> arguments, list(" "));
    if (!is_at_end()) return unexpected("the end");
    return arguments;
  }

 private:
  bool is_at_end() const { return position_ == text_.size(); }

  bool take(std::string_view word) {
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  // Up to the next mark; `at_least` letters are taken whatever they are.
  std::string_view take_word(size_t at_least = 0) {
    const size_t from = std::min(position_ + at_least, text_.size());
    const size_t end = std::min(text_.find_first_of(kMarks, from), text_.size());
    const std::string_view word = text_.substr(position_, end - position_);
    position_ = end;
    return word;
  }

  base::Error unexpected(std::string_view expected) const {
    return {base::ErrorCode::kInvalidArgument,
            base::format("parse syntax '{}': at {} expected {}, found '{}'", text_, position_,
                         expected, text_.substr(position_))};
  }

  Result<std::vector<SyntaxArgument>> list(std::string_view separator) {
    std::vector<SyntaxArgument> arguments;
    do {
      ALF_TRY(SyntaxArgument next, argument());
      arguments.push_back(std::move(next));
    } while (take(separator));
    return arguments;
  }

  Result<SyntaxArgument> argument() {
    const bool is_optional = take("[");
    ALF_TRY(SyntaxArgument made, plain());
    made.is_optional = is_optional;
    if (is_optional && !take("]")) return unexpected("']'");
    return made;
  }

  Result<SyntaxArgument> plain() {
    SyntaxArgument made;
    // The name may hold colons ("ip:port"), the type does not.
    const std::string_view word = take_word();
    const size_t colon = std::min(word.rfind(':'), word.size());
    made.name = word.substr(0, colon);
    if (made.name.empty()) return unexpected("an argument's name");
    std::optional<ArgumentType> type;
    if (colon < word.size()) {
      type = type_of_name(word.substr(colon + 1));
      if (!type) return unexpected("a known type before this");
    }
    if (take("=")) {
      made.token = take_word(1);
      if (made.token.empty()) return unexpected("a token");
      if (!type) type = ArgumentType::kPureToken;
    }
    if (take("#")) {
      ALF_TRY_STATUS(key_index(made));
      if (colon == word.size()) type = ArgumentType::kKey;
    }
    if (!type) return unexpected("':' and a type, '=' and a token, or '#' and a key");
    made.type = *type;
    ALF_TRY_STATUS(inner(made));
    ALF_TRY_STATUS(suffixes(made));
    return made;
  }

  Status key_index(SyntaxArgument& made) {
    const std::optional<int64_t> index = base::parse_int64(take_word());
    if (!index || *index < 0 || *index > 9) return unexpected("an index of a key before this");
    made.key_spec_index = static_cast<int>(*index);
    return base::ok();
  }

  Status inner(SyntaxArgument& made) {
    const bool is_one_of = made.type == ArgumentType::kOneOf;
    if (!is_one_of && made.type != ArgumentType::kBlock) return base::ok();
    if (!take("(")) return unexpected("'('");
    ALF_TRY(made.arguments, list(is_one_of ? " | " : " "));
    if (!take(")")) return unexpected("')'");
    return base::ok();
  }

  Status suffixes(SyntaxArgument& made) {
    made.is_multiple = take("+");
    made.is_token_repeated = made.is_multiple && take("+");
    if (take("@")) {
      made.since = take_word();
      if (made.since.empty()) return unexpected("a version");
    }
    if (take("~")) {
      made.deprecated_since = take_word();
      if (made.deprecated_since.empty()) return unexpected("a version");
    }
    return base::ok();
  }

  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

std::string_view argument_type_name(ArgumentType type) {
  return kTypeNames[static_cast<size_t>(type)];
}

Result<std::vector<SyntaxArgument>> parse_syntax(std::string_view text) {
  return Parser(text).all();
}

}  // namespace alfheim::command
