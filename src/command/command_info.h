// command/command_info: COMMAND and its subcommands, answered from the table's rows.
//
// The server room executes COMMAND (it is a session command) by calling this once check_call
// has passed the request; the answer depends on nothing but the table and the arguments.
//
// Thread: any. Lifetime: of one call.
#pragma once

#include "command/arguments.h"
#include "command/table.h"
#include "resp/reply_writer.h"

namespace alfheim::command {

// args[0] is "COMMAND".
void reply_command(const Table& table, const Arguments& args, resp::ReplyWriter& reply);

}  // namespace alfheim::command
