// How the generic commands are called, as Redis 7.0.15 tells it (the grammar: syntax.h).
#include "command/usage.h"

namespace alfheim::command {
namespace {

constexpr UsageText kUsages[] = {
    {.name = "copy",
     .syntax = "source#0 destination#1 [destination-db:integer=DB] [replace=REPLACE]"},
    {.name = "del", .syntax = "key#0+"},
    {.name = "exists", .syntax = "key#0+", .history = "3.0.3 Accepts multiple `key` arguments."},
    {.name = "expire",
     .syntax = "key#0 seconds:integer [condition:oneof(nx=NX | xx=XX | gt=GT | lt=LT)@7.0.0]",
     .history = "7.0.0 Added options: `NX`, `XX`, `GT` and `LT`."},
    {.name = "expireat",
     .syntax = "key#0 unix-time-seconds:unix-time [condition:oneof(nx=NX | xx=XX | gt=GT | "
               "lt=LT)@7.0.0]",
     .history = "7.0.0 Added options: `NX`, `XX`, `GT` and `LT`."},
    {.name = "expiretime", .syntax = "key#0"},
    {.name = "flushall",
     .syntax = "[async:oneof(async=ASYNC@4.0.0 | sync=SYNC@6.2.0)]",
     .history = "4.0.0 Added the `ASYNC` flushing mode modifier.\n"
                "6.2.0 Added the `SYNC` flushing mode modifier."},
    {.name = "flushdb",
     .syntax = "[async:oneof(async=ASYNC@4.0.0 | sync=SYNC@6.2.0)]",
     .history = "4.0.0 Added the `ASYNC` flushing mode modifier.\n"
                "6.2.0 Added the `SYNC` flushing mode modifier."},
    {.name = "keys", .syntax = "pattern:pattern"},
    {.name = "memory|usage", .syntax = "key#0 [count:integer=SAMPLES]"},
    {.name = "move", .syntax = "key#0 db:integer"},
    {.name = "object|encoding", .syntax = "key#0"},
    {.name = "object|freq", .syntax = "key#0"},
    {.name = "object|idletime", .syntax = "key#0"},
    {.name = "object|refcount", .syntax = "key#0"},
    {.name = "persist", .syntax = "key#0"},
    {.name = "pexpire",
     .syntax = "key#0 milliseconds:integer [condition:oneof(nx=NX | xx=XX | gt=GT | lt=LT)@7.0.0]",
     .history = "7.0.0 Added options: `NX`, `XX`, `GT` and `LT`."},
    {.name = "pexpireat",
     .syntax = "key#0 unix-time-milliseconds:unix-time [condition:oneof(nx=NX | xx=XX | gt=GT | "
               "lt=LT)@7.0.0]",
     .history = "7.0.0 Added options: `NX`, `XX`, `GT` and `LT`."},
    {.name = "pexpiretime", .syntax = "key#0"},
    {.name = "pttl", .syntax = "key#0", .history = "2.8.0 Added the -2 reply."},
    {.name = "rename", .syntax = "key#0 newkey#1"},
    {.name = "renamenx",
     .syntax = "key#0 newkey#1",
     .history = "3.2.0 The command no longer returns an error when source and destination names "
                "are the same."},
    {.name = "scan",
     .syntax = "cursor:integer [pattern:pattern=MATCH] [count:integer=COUNT] "
               "[type:string=TYPE@6.0.0]",
     .history = "6.0.0 Added the `TYPE` subcommand."},
    {.name = "swapdb", .syntax = "index1:integer index2:integer"},
    {.name = "touch", .syntax = "key#0+"},
    {.name = "ttl", .syntax = "key#0", .history = "2.8.0 Added the -2 reply."},
    {.name = "type", .syntax = "key#0"},
    {.name = "unlink", .syntax = "key#0+"},
};

}  // namespace

std::span<const UsageText> generic_usages() { return kUsages; }

}  // namespace alfheim::command
