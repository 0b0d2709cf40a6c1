// resp/inline_request: splits a line that a person typed into arguments.
//
// The rules are Redis's (sdssplitargs): blanks separate; "..." knows \n \r \t \b \a \xhh and
// escaped bytes, '...' knows \' only; a closing quote must be followed by a blank or the end;
// a NUL ends the line.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace alfheim::resp {

// Unescapes in place: an argument never grows. Appends views into `line` to `arguments`.
// False: a quote is not closed, or not followed by a blank; the line is spoiled then.
bool split_inline(std::span<char> line, std::vector<std::string_view>& arguments);

}  // namespace alfheim::resp
