#include "command/syntax.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace alfheim::command {
namespace {

using testing::HasSubstr;

// The tree with all that it knows, one way to write each thing.
std::string shown(const SyntaxArgument& argument) {
  std::string text = argument.is_optional ? "optional " : "";
  text += std::string(argument.name) + "/" + std::string(argument_type_name(argument.type));
  if (!argument.token.empty()) text += " token=" + std::string(argument.token);
  if (argument.key_spec_index >= 0) text += " key=" + std::to_string(argument.key_spec_index);
  if (argument.is_multiple) text += " multiple";
  if (argument.is_token_repeated) text += " multiple_token";
  if (!argument.since.empty()) text += " since=" + std::string(argument.since);
  if (!argument.deprecated_since.empty()) {
    text += " deprecated=" + std::string(argument.deprecated_since);
  }
  for (const SyntaxArgument& inner : argument.arguments) text += " {" + shown(inner) + "}";
  return text;
}

std::string parsed(std::string_view text) {
  const auto arguments = parse_syntax(text);
  if (!arguments.is_ok()) return arguments.error().message;
  std::string all;
  for (const SyntaxArgument& argument : *arguments) all += shown(argument) + "; ";
  return all;
}

TEST(Syntax, ArgumentsAreReadAsTheyAreWritten) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"value:string", "value/string; "},
      {"key#0 value:string", "key/key key=0; value/string; "},
      {"source#0 destination#1+", "source/key key=0; destination/key key=1 multiple; "},
      {"[replace=REPLACE]", "optional replace/pure-token token=REPLACE; "},
      {"[count:integer=COUNT@6.2.0]", "optional count/integer token=COUNT since=6.2.0; "},
      {"keys:key=KEYS#3+", "keys/key token=KEYS key=3 multiple; "},
      {"ip:port:string~2.8.12", "ip:port/string deprecated=2.8.12; "},
      {"at:unix-time@1.0.0~2.0.0", "at/unix-time since=1.0.0 deprecated=2.0.0; "},
      {"[by:pattern=BY++]", "optional by/pattern token=BY multiple multiple_token; "},
      {"ratio:double by:key", "ratio/double; by/key; "},
      // Tokens of one mark, as XADD's.
      {"o:oneof(equal== | almost=~ | id=*)",
       "o/oneof {equal/pure-token token==} {almost/pure-token token=~} {id/pure-token token=*}; "},
      {"b:block=GET(a:string [c:integer])+",
       "b/block token=GET multiple {a/string} {optional c/integer}; "},
      {"[x:oneof(a=A | b:block(c#0 d:oneof(e=E))@7.0.0)]",
       "optional x/oneof {a/pure-token token=A} "
       "{b/block since=7.0.0 {c/key key=0} {d/oneof {e/pure-token token=E}}}; "},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(parsed(text), expected) << text;
}

TEST(Syntax, WhatIsNotOfTheGrammarIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"value", "at 5 expected ':' and a type"},
      {"value:", "expected a known type"},
      {"value:text", "expected a known type"},
      {":string", "at 7 expected an argument's name"},
      {" a:string", "at 0 expected an argument's name"},
      {"a:string ", "at 9 expected an argument's name"},
      {"a:string  b:string", "expected an argument's name"},
      {"[a:string", "expected ']'"},
      {"[[a:string]]", "expected an argument's name"},
      {"a:string]", "expected the end"},
      {"a=", "expected a token"},
      {"a#", "expected an index of a key"},
      {"a#x", "expected an index of a key"},
      {"a#10", "expected an index of a key"},
      {"a:string@", "expected a version"},
      {"a:string~", "expected a version"},
      {"a:oneof", "at 7 expected '('"},
      {"a:oneof()", "expected an argument's name"},
      {"a:oneof(b=B c=C)", "expected ')'"},
      {"a:oneof(b=B|c=C)", "expected ')'"},
      {"a:block(b=B | c=C)", "expected an argument's name"},
      {"a:block(b=B", "expected ')'"},
      {"a:string(b=B)", "expected the end"},
      {"a:string+++", "expected the end"},
  };
  for (const auto& [text, expected] : cases) EXPECT_THAT(parsed(text), HasSubstr(expected)) << text;
}

}  // namespace
}  // namespace alfheim::command
