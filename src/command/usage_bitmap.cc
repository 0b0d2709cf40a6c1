// How the bitmap commands are called, as Redis 7.0.15 tells it (the grammar: syntax.h).
#include "command/usage.h"

namespace alfheim::command {
namespace {

constexpr UsageText kUsages[] = {
    {.name = "bitcount",
     .syntax = "key#0 [index:block(start:integer end:integer [index_unit:oneof(byte=BYTE | "
               "bit=BIT)@7.0.0])]",
     .history = "7.0.0 Added the `BYTE|BIT` option."},
    {.name = "bitfield",
     .syntax = "key#0 [operation:oneof(encoding_offset:block=GET(encoding:string offset:integer) "
               "| write:block([wrap_sat_fail:oneof=OVERFLOW(wrap=WRAP | sat=SAT | fail=FAIL)] "
               "write_operation:oneof(encoding_offset_value:block=SET(encoding:string "
               "offset:integer value:integer) | "
               "encoding_offset_increment:block=INCRBY(encoding:string offset:integer "
               "increment:integer))))+]"},
    {.name = "bitfield_ro",
     .syntax = "key#0 [encoding_offset:block=GET(encoding:string offset:integer)++]"},
    {.name = "bitop", .syntax = "operation:string destkey#0 key#1+"},
    {.name = "bitpos",
     .syntax = "key#0 bit:integer [index:block(start:integer [end_index:block(end:integer "
               "[index_unit:oneof(byte=BYTE | bit=BIT)@7.0.0])])]",
     .history = "7.0.0 Added the `BYTE|BIT` option."},
    {.name = "getbit", .syntax = "key#0 offset:integer"},
    {.name = "setbit", .syntax = "key#0 offset:integer value:integer"},
};

}  // namespace

std::span<const UsageText> bitmap_usages() { return kUsages; }

}  // namespace alfheim::command
