// How the commands that the server room executes are called, as Redis 7.0.15 tells it (the
// grammar: syntax.h). CLIENT NO-TOUCH, CLIENT SETINFO and WAITAOF are those of Redis 7.2.
#include "command/usage.h"

namespace alfheim::command {
namespace {

constexpr UsageText kUsages[] = {
    {.name = "auth",
     .syntax = "[username:string@6.0.0] password:string",
     .history = "6.0.0 Added ACL style (username and password)."},
    {.name = "client|kill",
     .syntax = "filter:oneof(ip:port:string~2.8.12 | "
               "new-format:oneof([client-id:integer=ID@2.8.12] | "
               "[normal_master_slave_pubsub:oneof=TYPE(normal=NORMAL | master=MASTER@3.2.0 | "
               "slave=SLAVE | replica=REPLICA@5.0.0 | pubsub=PUBSUB)@2.8.12] | "
               "[username:string=USER] | [ip:port:string=ADDR] | [ip:port:string=LADDR@6.2.0] | "
               "[yes/no:string=SKIPME])+)",
     .history = "2.8.12 Added new filter format.\n"
                "2.8.12 `ID` option.\n"
                "3.2.0 Added `master` type in for `TYPE` option.\n"
                "5.0.0 Replaced `slave` `TYPE` with `replica`. `slave` still supported for "
                "backward compatibility.\n"
                "6.2.0 `LADDR` option."},
    {.name = "client|list",
     .syntax = "[normal_master_replica_pubsub:oneof=TYPE(normal=NORMAL | master=MASTER | "
               "replica=REPLICA | pubsub=PUBSUB)@5.0.0] [id:block=ID(client-id:integer+)@6.2.0]",
     .history = "2.8.12 Added unique client `id` field.\n"
                "5.0.0 Added optional `TYPE` filter.\n"
                "6.0.0 Added `user` field.\n"
                "6.2.0 Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional "
                "`ID` filter.\n"
                "7.0.0 Added `resp`, `multi-mem`, `rbs` and `rbp` fields.\n"
                "7.0.3 Added `ssub` field."},
    {.name = "client|no-evict", .syntax = "enabled:oneof(on=ON | off=OFF)"},
    {.name = "client|no-touch", .syntax = "enabled:oneof(on=ON | off=OFF)"},
    {.name = "client|reply", .syntax = "on_off_skip:oneof(on=ON | off=OFF | skip=SKIP)"},
    {.name = "client|setinfo",
     .syntax = "attr:oneof(libname:string=LIB-NAME | libver:string=LIB-VER)"},
    {.name = "client|setname", .syntax = "connection-name:string"},
    {.name = "cluster|countkeysinslot", .syntax = "slot:integer"},
    {.name = "cluster|failover", .syntax = "[options:oneof(force=FORCE | takeover=TAKEOVER)]"},
    {.name = "cluster|getkeysinslot", .syntax = "slot:integer count:integer"},
    {.name = "cluster|keyslot", .syntax = "key:string"},
    {.name = "cluster|replicas", .syntax = "node-id:string"},
    {.name = "cluster|slaves",
     .syntax = "node-id:string",
     .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`",
     .doc_flag = "deprecated"},
    {.name = "cluster|slots",
     .history = "4.0.0 Added node IDs.\n"
                "7.0.0 Added additional networking metadata field.",
     .deprecated_since = "7.0.0",
     .replaced_by = "`CLUSTER SHARDS`",
     .doc_flag = "deprecated"},
    {.name = "command|docs", .syntax = "[command-name:string+]"},
    {.name = "command|info",
     .syntax = "[command-name:string+]",
     .history = "7.0.0 Allowed to be called with no argument to get info on all commands."},
    {.name = "command|list",
     .syntax = "[filterby:oneof=FILTERBY(module-name:string=MODULE | category:string=ACLCAT | "
               "pattern:pattern=PATTERN)]"},
    {.name = "config|get",
     .syntax = "parameter:block(parameter:string)+",
     .history = "7.0.0 Added the ability to pass multiple pattern parameters in one call"},
    {.name = "config|set",
     .syntax = "parameter_value:block(parameter:string value:string)+",
     .history = "7.0.0 Added the ability to set multiple parameters in one call."},
    {.name = "debug", .doc_flag = "syscmd"},
    {.name = "debug|sleep", .syntax = "seconds:double"},
    {.name = "echo", .syntax = "message:string"},
    {.name = "failover",
     .syntax = "[target:block=TO(host:string port:integer [force=FORCE])] [abort=ABORT] "
               "[milliseconds:integer=TIMEOUT]"},
    {.name = "hello",
     .syntax = "[arguments:block(protover:integer [username_password:block=AUTH(username:string "
               "password:string)] [clientname:string=SETNAME])]",
     .history = "6.2.0 `protover` made optional; when called without arguments the command "
                "reports the current connection's context."},
    {.name = "info",
     .syntax = "[section:string+]",
     .history = "7.0.0 Added support for taking multiple section arguments."},
    {.name = "raft|add", .syntax = "id:string address:string [learner=LEARNER]"},
    {.name = "raft|promote", .syntax = "node:string"},
    {.name = "raft|remove", .syntax = "node:string"},
    {.name = "raft|transfer", .syntax = "[node:string]"},
    {.name = "raft|tunnel", .syntax = "node:string"},
    {.name = "ping", .syntax = "[message:string]"},
    {.name = "select", .syntax = "index:integer"},
    {.name = "sentinel|ckquorum", .syntax = "master-name:string"},
    {.name = "sentinel|get-master-addr-by-name", .syntax = "master-name:string"},
    {.name = "sentinel|master", .syntax = "master-name:string"},
    {.name = "sentinel|replicas", .syntax = "master-name:string"},
    {.name = "sentinel|sentinels", .syntax = "master-name:string"},
    {.name = "sentinel|slaves",
     .syntax = "master-name:string",
     .deprecated_since = "5.0.0",
     .replaced_by = "`SENTINEL REPLICAS`",
     .doc_flag = "deprecated"},
    {.name = "shutdown",
     .syntax = "[nosave_save:oneof(nosave=NOSAVE | save=SAVE)] [now=NOW@7.0.0] "
               "[force=FORCE@7.0.0] [abort=ABORT@7.0.0]",
     .history = "7.0.0 Added the `NOW`, `FORCE` and `ABORT` modifiers."},
    {.name = "slowlog|get",
     .syntax = "[count:integer]",
     .history = "4.0.0 Added client IP address, port and name to the reply."},
    {.name = "wait", .syntax = "numreplicas:integer timeout:integer"},
    {.name = "waitaof", .syntax = "numlocal:integer numreplicas:integer timeout:integer"},
    {.name = "watch", .syntax = "key#0+"},
};

}  // namespace

std::span<const UsageText> session_usages() { return kUsages; }

}  // namespace alfheim::command
