#include "resp/reply_writer.h"

#include "base/check.h"
#include "base/number.h"

namespace alfheim::resp {
namespace {

using base::ByteView;

constexpr size_t kHeaderBytesMax = 1 + base::kInt64TextBytesMax + 2;
constexpr size_t kVerbatimFormatBytes = 3;

// "<type><number>\r\n"; returns its length.
size_t write_line(char* out, char type, int64_t number) {
  size_t length = 0;
  out[length++] = type;
  if (number >= 0 && number <= 9) {
    out[length++] = static_cast<char>('0' + number);
  } else {
    length += base::write_int64(out + length, number);
  }
  out[length++] = '\r';
  out[length++] = '\n';
  return length;
}

bool is_line_end(char letter) { return letter == '\r' || letter == '\n'; }

}  // namespace

void ReplyWriter::header(char type, uint64_t count) {
  char line[kHeaderBytesMax];
  out_.append(line, write_line(line, type, static_cast<int64_t>(count)));
}

void ReplyWriter::simple_string(ByteView text) {
  ALF_CHECK(text.find_first_of("\r\n") == ByteView::npos);
  out_.push_back('+');
  out_.append(text);
  out_.append("\r\n", 2);
}

void ReplyWriter::error(ByteView text) {
  out_.append("-ERR ", 5);
  append_error_text(text);
}

void ReplyWriter::error_with_code(ByteView text) {
  out_.push_back('-');
  append_error_text(text);
}

void ReplyWriter::append_error_text(ByteView text) {
  while (!text.empty() && is_line_end(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_line_end(text.back())) text.remove_suffix(1);
  const size_t start = out_.size();
  out_.append(text);
  for (size_t i = start; i < out_.size(); ++i) {
    if (is_line_end(out_[i])) out_[i] = ' ';
  }
  out_.append("\r\n", 2);
}

void ReplyWriter::integer(int64_t value) {
  char line[kHeaderBytesMax];
  out_.append(line, write_line(line, ':', value));
}

void ReplyWriter::bulk(ByteView bytes) {
  header('$', bytes.size());
  out_.append(bytes);
  out_.append("\r\n", 2);
}

void ReplyWriter::bulk_header(size_t byte_count) { header('$', byte_count); }

void ReplyWriter::bulk_integer(int64_t value) {
  char text[base::kInt64TextBytesMax];
  bulk({text, base::write_int64(text, value)});
}

void ReplyWriter::null() { is_resp3() ? out_.append("_\r\n", 3) : out_.append("$-1\r\n", 5); }

void ReplyWriter::null_array() { is_resp3() ? out_.append("_\r\n", 3) : out_.append("*-1\r\n", 5); }

void ReplyWriter::boolean(bool value) {
  if (is_resp3()) {
    out_.append(value ? "#t\r\n" : "#f\r\n", 4);
  } else {
    integer(value ? 1 : 0);
  }
}

void ReplyWriter::double_number(double value) {
  char text[base::kDoubleTextBytesMax];
  scalar_text(',', {text, base::write_double(text, value)});
}

void ReplyWriter::human_long_double(long double value) {
  scalar_text(',', base::format_long_double_human(value));
}

void ReplyWriter::big_number(ByteView digits) { scalar_text('(', digits); }

// One line of its own type; to RESP2 a bulk.
void ReplyWriter::scalar_text(char type, ByteView text) {
  if (!is_resp3()) return bulk(text);
  out_.push_back(type);
  out_.append(text);
  out_.append("\r\n", 2);
}

void ReplyWriter::verbatim(ByteView format, ByteView text) {
  ALF_CHECK(format.size() == kVerbatimFormatBytes);
  if (!is_resp3()) return bulk(text);
  header('=', kVerbatimFormatBytes + 1 + text.size());
  out_.append(format);
  out_.push_back(':');
  out_.append(text);
  out_.append("\r\n", 2);
}

void ReplyWriter::array_header(size_t count) { header('*', count); }

void ReplyWriter::map_header(size_t pair_count) {
  is_resp3() ? header('%', pair_count) : header('*', 2 * pair_count);
}

void ReplyWriter::set_header(size_t count) { header(is_resp3() ? '~' : '*', count); }

void ReplyWriter::push_header(size_t count) { header(is_resp3() ? '>' : '*', count); }

bool ReplyWriter::attribute_header(size_t pair_count) {
  if (is_resp3()) header('|', pair_count);
  return is_resp3();
}

void ReplyWriter::finish_array(Deferred deferred, size_t count) {
  insert_header(deferred, '*', count);
}

void ReplyWriter::finish_map(Deferred deferred, size_t pair_count) {
  is_resp3() ? insert_header(deferred, '%', pair_count)
             : insert_header(deferred, '*', 2 * pair_count);
}

void ReplyWriter::finish_set(Deferred deferred, size_t count) {
  insert_header(deferred, is_resp3() ? '~' : '*', count);
}

// The elements stand already; one move of them is cheaper than a second buffer.
void ReplyWriter::insert_header(Deferred deferred, char type, uint64_t count) {
  ALF_CHECK(deferred.position <= out_.size());
  char line[kHeaderBytesMax];
  const size_t length = write_line(line, type, static_cast<int64_t>(count));
  out_.insert(deferred.position, line, length);
}

}  // namespace alfheim::resp
