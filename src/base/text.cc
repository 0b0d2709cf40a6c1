#include "base/text.h"

namespace alfheim::base {

Bytes to_lower(ByteView text) {
  Bytes out(text);
  for (char& letter : out) letter = ascii_lower(letter);
  return out;
}

Bytes to_upper(ByteView text) {
  Bytes out(text);
  for (char& letter : out) letter = ascii_upper(letter);
  return out;
}

bool equals_ignore_case(ByteView left, ByteView right) {
  if (left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (ascii_lower(left[i]) != ascii_lower(right[i])) return false;
  }
  return true;
}

void append_quoted(Bytes& out, ByteView text) {
  constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (const char letter : text) {
    switch (letter) {
      case '\\':
      case '"':
        out.push_back('\\');
        out.push_back(letter);
        break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      case '\a': out.append("\\a"); break;
      case '\b': out.append("\\b"); break;
      default:
        if (letter >= ' ' && letter <= '~') {
          out.push_back(letter);
        } else {
          const auto byte = static_cast<unsigned char>(letter);
          out.append("\\x");
          out.push_back(kHex[byte >> 4]);
          out.push_back(kHex[byte & 15]);
        }
    }
  }
  out.push_back('"');
}

Bytes to_quoted(ByteView text) {
  Bytes out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

std::string parent_path(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace alfheim::base
