// base/text: ASCII letters and printable forms, without a locale.
//
// Redis's command names, options and configuration compare without case in ASCII only;
// bytes from 0x80 on are never letters.
#pragma once

#include <string>

#include "base/bytes.h"

namespace alfheim::base {

constexpr char ascii_lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
}
constexpr char ascii_upper(char letter) {
  return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - ('a' - 'A')) : letter;
}
// What isspace() says in the C locale.
constexpr bool is_ascii_space(char letter) {
  return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

Bytes to_lower(ByteView text);
Bytes to_upper(ByteView text);
bool equals_ignore_case(ByteView left, ByteView right);

// "..." with \n, \r, \t, \a, \b, \", \\ and \xhh where a byte cannot be printed: the form of
// Redis's logs, SLOWLOG and MONITOR (sdscatrepr).
void append_quoted(Bytes& out, ByteView text);
Bytes to_quoted(ByteView text);

// The directory that holds the name of `path`, which may end in slashes.
std::string parent_path(std::string path);

}  // namespace alfheim::base
