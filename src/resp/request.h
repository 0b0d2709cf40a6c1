// resp/request: what one request is to those who execute it: its arguments, name first.
//
// The views point into the buffer of the RequestCutter that cut them; see there for how long
// they hold. Who keeps a request longer copies it.
#pragma once

#include <span>
#include <string_view>

namespace alfheim::resp {

using Arguments = std::span<const std::string_view>;

// What RequestCutter::next() found.
enum class Cut : unsigned char {
  kRequest,        // argv() holds a whole request of at least one argument
  kNeedMore,       // read more bytes into room(), commit() them, ask again
  kProtocolError,  // error() says what is wrong; send it and close: nothing can be cut any more
};

}  // namespace alfheim::resp
