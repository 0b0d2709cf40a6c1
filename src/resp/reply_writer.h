// resp/reply_writer: replies as bytes, in the dialect of the connection.
//
// Appends to the one buffer that it is given, in the order of the calls. Speaks RESP3's types
// to everyone: a RESP2 client gets what Redis 7.0 gives it instead (a map as a flat array, a
// double as a bulk, a bool as 1 or 0, ...). Knows no socket and no command; whoever announces
// an aggregate of n must write n (a map: 2n) replies after it.
//
// Thread: none of its own. Lifetime: `out` outlives the writer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "resp/protocol.h"

namespace alfheim::resp {

class ReplyWriter {
 public:
  ReplyWriter(base::Bytes& out, ProtocolVersion version) : out_(out), version_(version) {}

  ProtocolVersion version() const { return version_; }
  void set_version(ProtocolVersion version) { version_ = version; }
  base::Bytes& out() { return out_; }

  void ok() { out_.append("+OK\r\n", 5); }
  // The text must hold no line end.
  void simple_string(base::ByteView text);
  // "-ERR <text>". Line ends in the text become spaces (at its ends: nothing).
  void error(base::ByteView text);
  // "-<text>": the text begins with its own code ("WRONGTYPE Operation ...").
  void error_with_code(base::ByteView text);

  void integer(int64_t value);
  void bulk(base::ByteView bytes);
  // "$<n>\r\n" alone: the owner sends the n bytes and "\r\n" itself (large values by writev).
  void bulk_header(size_t byte_count);
  void bulk_integer(int64_t value);
  void null();        // $-1 or _
  void null_array();  // *-1 or _
  void boolean(bool value);
  // %.17g: as Redis 7.0.
  void double_number(double value);
  // %.17Lf without trailing zeros; bulk or ','.
  void human_long_double(long double value);
  void big_number(base::ByteView digits);
  // `format` is three letters ("txt", "mkd").
  void verbatim(base::ByteView format, base::ByteView text);

  void array_header(size_t count);
  void map_header(size_t pair_count);
  void set_header(size_t count);
  void push_header(size_t count);
  // RESP2 has no attributes: there it writes nothing and says false; then skip the pairs.
  [[nodiscard]] bool attribute_header(size_t pair_count);
  void empty_array() { array_header(0); }

  // Already encoded bytes (a reply kept from elsewhere).
  void raw(base::ByteView bytes) { out_.append(bytes); }

  // An aggregate whose count is known only at its end. Nested ones finish innermost first.
  struct Deferred {
    size_t position;
  };
  Deferred start_deferred() const { return Deferred{out_.size()}; }
  void finish_array(Deferred deferred, size_t count);
  void finish_map(Deferred deferred, size_t pair_count);
  void finish_set(Deferred deferred, size_t count);

 private:
  bool is_resp3() const { return version_ == ProtocolVersion::kResp3; }
  void header(char type, uint64_t count);
  void insert_header(Deferred deferred, char type, uint64_t count);
  void append_error_text(base::ByteView text);
  void scalar_text(char type, base::ByteView text);

  base::Bytes& out_;
  ProtocolVersion version_;
};

}  // namespace alfheim::resp
