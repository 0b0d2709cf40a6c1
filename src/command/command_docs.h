// command/command_docs: COMMAND DOCS: what each command is for, and how it is called.
//
// Byte for byte what Redis 7.0.15 answers for a command that it knows, but for the words of
// summaries and complexities (tests/golden/command/docs_arguments.txt).
//
// Thread: any. Lifetime: of one call.
#pragma once

#include "command/arguments.h"
#include "command/table.h"
#include "resp/reply_writer.h"

namespace alfheim::command {

// args[0] is "COMMAND", args[1] is "DOCS".
void reply_docs(const Table& table, const Arguments& args, resp::ReplyWriter& reply);

}  // namespace alfheim::command
