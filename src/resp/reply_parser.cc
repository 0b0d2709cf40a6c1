#include "resp/reply_parser.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "base/number.h"
#include "base/text.h"

namespace alfheim::resp {
namespace {

using base::Bytes;
using base::ByteView;
using Kind = Value::Kind;

constexpr size_t kVerbatimPrefixBytes = 4;
// The parser keeps what it has not looked at; above this it moves it to the front.
constexpr size_t kCompactBytes = 64 * 1024;
constexpr int64_t kCountMax = int64_t{1} << 32;

bool is_aggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}
bool is_bulk(char type) { return type == '$' || type == '=' || type == '!'; }

Kind aggregate_kind(char type) {
  switch (type) {
    case '%':
    case '|': return Kind::kMap;
    case '~': return Kind::kSet;
    case '>': return Kind::kPush;
    default: return Kind::kArray;
  }
}

void append_elements(Bytes& out, const Value& value, char open, char close) {
  out.push_back(open);
  for (size_t i = 0; i < value.elements.size(); ++i) {
    if (i > 0) out += value.kind == Kind::kMap && i % 2 == 1 ? ": " : ", ";
    out += to_text(value.elements[i]);
  }
  out.push_back(close);
}

}  // namespace

Bytes to_text(const Value& value) {
  Bytes out;
  switch (value.kind) {
    case Kind::kSimpleString: out = value.text; break;
    case Kind::kBulkError:
    case Kind::kError:
      out = "(error ";
      base::append_quoted(out, value.text);
      out += ')';
      break;
    case Kind::kInteger: out = base::format_int64(value.integer); break;
    case Kind::kBulk: base::append_quoted(out, value.text); break;
    case Kind::kNull: out = "nil"; break;
    case Kind::kNullArray: out = "(nil array)"; break;
    case Kind::kArray: append_elements(out, value, '[', ']'); break;
    case Kind::kMap: append_elements(out, value, '{', '}'); break;
    case Kind::kSet:
      out = "set";
      append_elements(out, value, '(', ')');
      break;
    case Kind::kPush:
      out = "push";
      append_elements(out, value, '(', ')');
      break;
    case Kind::kBool: out = value.integer != 0 ? "true" : "false"; break;
    case Kind::kDouble: out = "(double " + value.text + ")"; break;
    case Kind::kBigNumber: out = "(big " + value.text + ")"; break;
    case Kind::kVerbatim:
      out = value.format + ":";
      base::append_quoted(out, value.text);
      break;
  }
  return out;
}

void append_request(Bytes& out, const std::vector<ByteView>& arguments) {
  out.push_back('*');
  base::append_int64(out, static_cast<int64_t>(arguments.size()));
  out += "\r\n";
  for (const ByteView argument : arguments) {
    out.push_back('$');
    base::append_int64(out, static_cast<int64_t>(argument.size()));
    out += "\r\n";
    out += argument;
    out += "\r\n";
  }
}

void ReplyParser::feed(ByteView bytes) {
  if (position_ > kCompactBytes && position_ > buffer_.size() / 2) {
    buffer_.erase(0, position_);
    // Replies that were taken since may have left it behind what was read.
    line_scan_ -= std::min(line_scan_, position_);
    position_ = 0;
  }
  buffer_.append(bytes);
}

ReplyParser::Next ReplyParser::next(Value& value) {
  if (!error_.empty()) return Next::kError;
  for (;;) {
    Value found;
    switch (step(found)) {
      case Step::kNeedMore: return Next::kNeedMore;
      case Step::kError: return Next::kError;
      case Step::kOpened: break;
      case Step::kScalar:
        if (!close_frames(found)) break;
        value = std::move(found);
        return Next::kValue;
    }
  }
}

// Hands a complete value to the aggregate that waits for it, and so on outwards. True: `value`
// is a whole reply.
bool ReplyParser::close_frames(Value& value) {
  value.attributes = std::exchange(attributes_, {});
  while (!frames_.empty()) {
    Frame& frame = frames_.back();
    frame.value.elements.push_back(std::move(value));
    if (--frame.left > 0) return false;
    Frame closed = std::move(frames_.back());
    frames_.pop_back();
    if (closed.is_attribute) {
      attributes_ = std::move(closed.value.elements);
      return false;
    }
    value = std::move(closed.value);
  }
  return true;
}

ReplyParser::Step ReplyParser::step(Value& value) {
  if (line_scan_ < position_) line_scan_ = position_;
  const size_t line_end = buffer_.find("\r\n", line_scan_);
  if (line_end == Bytes::npos) {
    // A '\r' at the very end may be half of a line end.
    if (buffer_.size() > line_scan_) line_scan_ = buffer_.size() - 1;
    return Step::kNeedMore;
  }
  const ByteView line = ByteView(buffer_).substr(position_, line_end - position_);
  const size_t line_bytes = line.size() + 2;
  if (line.empty()) return fail("parse reply: an empty line, expected a type byte");
  const char type = line.front();
  const ByteView rest = line.substr(1);
  if (!is_aggregate(type) && !is_bulk(type)) {
    const Step result = scalar(type, rest, value);
    if (result == Step::kScalar) position_ += line_bytes;
    return result;
  }
  const auto count = base::parse_int64(rest);
  if (!count || *count < -1 || *count > kCountMax) {
    return fail(base::format("parse reply: length {} of type '{}'", base::to_quoted(rest), type));
  }
  if (is_bulk(type)) return bulk(type, *count, line_bytes, value);
  const Step result = aggregate(type, *count, value);
  if (result != Step::kError) position_ += line_bytes;
  return result;
}

ReplyParser::Step ReplyParser::aggregate(char type, int64_t count, Value& value) {
  if (count < 0) {
    value.kind = type == '*' ? Kind::kNullArray : Kind::kNull;
    return Step::kScalar;
  }
  if (frames_.size() >= kDepthMax) {
    return fail(base::format("parse reply: nested deeper than {}", kDepthMax));
  }
  Frame frame;
  frame.value.kind = aggregate_kind(type);
  frame.left = static_cast<size_t>(count) * (type == '%' || type == '|' ? 2 : 1);
  frame.is_attribute = type == '|';
  if (frame.left == 0) {
    if (frame.is_attribute) return Step::kOpened;
    value = std::move(frame.value);
    return Step::kScalar;
  }
  if (!frame.is_attribute) frame.value.attributes = std::exchange(attributes_, {});
  frames_.push_back(std::move(frame));
  return Step::kOpened;
}

ReplyParser::Step ReplyParser::bulk(char type, int64_t length, size_t line_bytes, Value& value) {
  if (length < 0) {
    value.kind = Kind::kNull;
    position_ += line_bytes;
    return Step::kScalar;
  }
  const size_t start = position_ + line_bytes;
  const auto size = static_cast<size_t>(length);
  // Looking for the line end again costs a few bytes: it stands where it was found.
  if (buffer_.size() < start + size + 2) {
    line_scan_ = start - 2;
    return Step::kNeedMore;
  }
  ByteView bytes = ByteView(buffer_).substr(start, size);
  if (buffer_.compare(start + size, 2, "\r\n") != 0) {
    return fail(base::format("parse reply: a bulk of {} bytes without line end behind it", size));
  }
  value.kind = type == '$' ? Kind::kBulk : type == '!' ? Kind::kBulkError : Kind::kVerbatim;
  if (type == '=') {
    if (size < kVerbatimPrefixBytes || bytes[kVerbatimPrefixBytes - 1] != ':') {
      return fail("parse reply: a verbatim string without its format");
    }
    value.format = bytes.substr(0, kVerbatimPrefixBytes - 1);
    bytes.remove_prefix(kVerbatimPrefixBytes);
  }
  value.text = bytes;
  position_ = start + size + 2;
  return Step::kScalar;
}

ReplyParser::Step ReplyParser::scalar(char type, ByteView text, Value& value) {
  switch (type) {
    case '+': value.kind = Kind::kSimpleString; break;
    case '-': value.kind = Kind::kError; break;
    case '(': value.kind = Kind::kBigNumber; break;
    case '_':
      value.kind = Kind::kNull;
      if (!text.empty()) return fail("parse reply: a null with text");
      return Step::kScalar;
    case '#':
      value.kind = Kind::kBool;
      if (text != "t" && text != "f") return fail("parse reply: a bool that is neither t nor f");
      value.integer = text == "t" ? 1 : 0;
      return Step::kScalar;
    case ':': {
      const auto number = base::parse_int64(text);
      if (!number) return fail(base::format("parse reply: integer {}", base::to_quoted(text)));
      value.kind = Kind::kInteger;
      value.integer = *number;
      return Step::kScalar;
    }
    case ',': {
      const auto number = base::parse_double(text);
      if (!number) return fail(base::format("parse reply: double {}", base::to_quoted(text)));
      value.kind = Kind::kDouble;
      value.number = *number;
      break;
    }
    default: return fail(base::format("parse reply: type byte {}", base::to_quoted({&type, 1})));
  }
  value.text = text;
  return Step::kScalar;
}

ReplyParser::Step ReplyParser::fail(std::string text) {
  error_ = std::move(text);
  return Step::kError;
}

}  // namespace alfheim::resp
