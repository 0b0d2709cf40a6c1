// How the string commands are called, as Redis 7.0.15 tells it (the grammar: syntax.h).
#include "command/usage.h"

namespace alfheim::command {
namespace {

constexpr UsageText kUsages[] = {
    {.name = "append", .syntax = "key#0 value:string"},
    {.name = "decr", .syntax = "key#0"},
    {.name = "decrby", .syntax = "key#0 decrement:integer"},
    {.name = "get", .syntax = "key#0"},
    {.name = "getdel", .syntax = "key#0"},
    {.name = "getex",
     .syntax = "key#0 [expiration:oneof(seconds:integer=EX | milliseconds:integer=PX | "
               "unix-time-seconds:unix-time=EXAT | unix-time-milliseconds:unix-time=PXAT | "
               "persist=PERSIST)]"},
    {.name = "getrange", .syntax = "key#0 start:integer end:integer"},
    {.name = "getset",
     .syntax = "key#0 value:string",
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `!GET` argument",
     .doc_flag = "deprecated"},
    {.name = "incr", .syntax = "key#0"},
    {.name = "incrby", .syntax = "key#0 increment:integer"},
    {.name = "incrbyfloat", .syntax = "key#0 increment:double"},
    {.name = "lcs",
     .syntax = "key1#0 key2#0 [len=LEN] [idx=IDX] [len:integer=MINMATCHLEN] "
               "[withmatchlen=WITHMATCHLEN]"},
    {.name = "mget", .syntax = "key#0+"},
    {.name = "mset", .syntax = "key_value:block(key#0 value:string)+"},
    {.name = "msetnx", .syntax = "key_value:block(key#0 value:string)+"},
    {.name = "psetex", .syntax = "key#0 milliseconds:integer value:string"},
    {.name = "set",
     .syntax = "key#0 value:string [condition:oneof(nx=NX | xx=XX)@2.6.12] [get=GET@6.2.0] "
               "[expiration:oneof(seconds:integer=EX@2.6.12 | milliseconds:integer=PX@2.6.12 | "
               "unix-time-seconds:unix-time=EXAT@6.2.0 | "
               "unix-time-milliseconds:unix-time=PXAT@6.2.0 | keepttl=KEEPTTL@6.0.0)]",
     .history = "2.6.12 Added the `EX`, `PX`, `NX` and `XX` options.\n"
                "6.0.0 Added the `KEEPTTL` option.\n"
                "6.2.0 Added the `GET`, `EXAT` and `PXAT` option.\n"
                "7.0.0 Allowed the `NX` and `GET` options to be used together."},
    {.name = "setex", .syntax = "key#0 seconds:integer value:string"},
    {.name = "setnx", .syntax = "key#0 value:string"},
    {.name = "setrange", .syntax = "key#0 offset:integer value:string"},
    {.name = "strlen", .syntax = "key#0"},
    {.name = "substr",
     .syntax = "key#0 start:integer end:integer",
     .deprecated_since = "2.0.0",
     .replaced_by = "`GETRANGE`",
     .doc_flag = "deprecated"},
};

}  // namespace

std::span<const UsageText> string_usages() { return kUsages; }

}  // namespace alfheim::command
