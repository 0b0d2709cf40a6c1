#include "resp/reply_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

namespace alfheim::resp {
namespace {

struct WriteCase {
  std::function<void(ReplyWriter&)> given;
  const char* then_resp2;
  const char* then_resp3;
};

// The types' bytes are those of redis-server 7.0.15 (DEBUG PROTOCOL, ZSCORE, INCRBYFLOAT).
const WriteCase kCases[] = {
    {[](auto& w) { w.ok(); }, "+OK\r\n", "+OK\r\n"},
    {[](auto& w) { w.simple_string("PONG"); }, "+PONG\r\n", "+PONG\r\n"},
    {[](auto& w) { w.error("syntax error"); }, "-ERR syntax error\r\n", "-ERR syntax error\r\n"},
    {[](auto& w) { w.error("\r\na\r\nb\n"); }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
    {[](auto& w) { w.error_with_code("MOVED 1 a:1"); }, "-MOVED 1 a:1\r\n", "-MOVED 1 a:1\r\n"},
    {[](auto& w) { w.integer(0); }, ":0\r\n", ":0\r\n"},
    {[](auto& w) { w.integer(-1); }, ":-1\r\n", ":-1\r\n"},
    {[](auto& w) { w.integer(12345); }, ":12345\r\n", ":12345\r\n"},
    {[](auto& w) { w.integer(std::numeric_limits<int64_t>::min()); }, ":-9223372036854775808\r\n",
     ":-9223372036854775808\r\n"},
    {[](auto& w) { w.bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n"},
    {[](auto& w) { w.bulk("Hello World"); }, "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"},
    {[](auto& w) { w.bulk_header(1024); }, "$1024\r\n", "$1024\r\n"},
    {[](auto& w) { w.bulk_integer(-42); }, "$3\r\n-42\r\n", "$3\r\n-42\r\n"},
    {[](auto& w) { w.null(); }, "$-1\r\n", "_\r\n"},
    {[](auto& w) { w.null_array(); }, "*-1\r\n", "_\r\n"},
    {[](auto& w) { w.boolean(true); }, ":1\r\n", "#t\r\n"},
    {[](auto& w) { w.boolean(false); }, ":0\r\n", "#f\r\n"},
    {[](auto& w) { w.double_number(3.141); }, "$5\r\n3.141\r\n", ",3.141\r\n"},
    {[](auto& w) { w.double_number(0.1); }, "$19\r\n0.10000000000000001\r\n",
     ",0.10000000000000001\r\n"},
    {[](auto& w) { w.double_number(3); }, "$1\r\n3\r\n", ",3\r\n"},
    {[](auto& w) { w.double_number(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n"},
    {[](auto& w) { w.double_number(-INFINITY); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
    {[](auto& w) { w.human_long_double(10.5L); }, "$4\r\n10.5\r\n", ",10.5\r\n"},
    {[](auto& w) { w.big_number("1234567999999999999999999999999999999"); },
     "$37\r\n1234567999999999999999999999999999999\r\n",
     "(1234567999999999999999999999999999999\r\n"},
    {[](auto& w) { w.verbatim("txt", "This is a verbatim\nstring"); },
     "$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n"},
    {[](auto& w) { w.empty_array(); }, "*0\r\n", "*0\r\n"},
    {[](auto& w) { w.array_header(3); }, "*3\r\n", "*3\r\n"},
    {[](auto& w) { w.map_header(3); }, "*6\r\n", "%3\r\n"},
    {[](auto& w) { w.set_header(3); }, "*3\r\n", "~3\r\n"},
    {[](auto& w) { w.push_header(2); }, "*2\r\n", ">2\r\n"},
    {[](auto& w) {
       if (w.attribute_header(1)) {
         w.bulk("k");
         w.integer(1);
       }
       w.ok();
     },
     "+OK\r\n", "|1\r\n$1\r\nk\r\n:1\r\n+OK\r\n"},
    {[](auto& w) {
       const auto outer = w.start_deferred();
       w.integer(1);
       const auto map = w.start_deferred();
       w.bulk("k");
       w.null();
       w.finish_map(map, 1);
       const auto set = w.start_deferred();
       w.finish_set(set, 0);
       w.finish_array(outer, 3);
     },
     "*3\r\n:1\r\n*2\r\n$1\r\nk\r\n$-1\r\n*0\r\n", "*3\r\n:1\r\n%1\r\n$1\r\nk\r\n_\r\n~0\r\n"},
};

TEST(ReplyWriter, WritesTheBytesOfRedisInBothDialects) {
  for (const WriteCase& c : kCases) {
    base::Bytes resp2 = "before";
    base::Bytes resp3 = "before";
    ReplyWriter writer2(resp2, ProtocolVersion::kResp2);
    ReplyWriter writer3(resp3, ProtocolVersion::kResp3);
    c.given(writer2);
    c.given(writer3);
    EXPECT_EQ(resp2, std::string("before") + c.then_resp2);
    EXPECT_EQ(resp3, std::string("before") + c.then_resp3);
  }
}

}  // namespace
}  // namespace alfheim::resp
