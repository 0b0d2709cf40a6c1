#include "command/command_docs.h"

#include <vector>

namespace alfheim::command {
namespace {

using resp::ReplyWriter;

void write_text(ReplyWriter& reply, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  reply.bulk(name);
  reply.bulk(text);
}

size_t count_texts(std::initializer_list<std::string_view> texts) {
  size_t count = 0;
  for (const std::string_view text : texts) count += text.empty() ? 0 : 1;
  return count;
}

void write_argument_flags(ReplyWriter& reply, const SyntaxArgument& argument) {
  reply.bulk("flags");
  reply.set_header((argument.is_optional ? 1 : 0) + (argument.is_multiple ? 1 : 0) +
                   (argument.is_token_repeated ? 1 : 0));
  if (argument.is_optional) reply.simple_string("optional");
  if (argument.is_multiple) reply.simple_string("multiple");
  if (argument.is_token_repeated) reply.simple_string("multiple_token");
}

void write_arguments(ReplyWriter& reply, const std::vector<SyntaxArgument>& arguments) {
  reply.bulk("arguments");
  reply.array_header(arguments.size());
  for (const SyntaxArgument& argument : arguments) {
    const bool has_flags = argument.is_optional || argument.is_multiple;
    reply.map_header(2 + (argument.key_spec_index >= 0 ? 1 : 0) +
                     count_texts({argument.token, argument.since, argument.deprecated_since}) +
                     (has_flags ? 1 : 0) + (argument.arguments.empty() ? 0 : 1));
    write_text(reply, "name", argument.name);
    write_text(reply, "type", argument_type_name(argument.type));
    if (argument.key_spec_index >= 0) {
      reply.bulk("key_spec_index");
      reply.integer(argument.key_spec_index);
    }
    write_text(reply, "token", argument.token);
    write_text(reply, "since", argument.since);
    write_text(reply, "deprecated_since", argument.deprecated_since);
    if (has_flags) write_argument_flags(reply, argument);
    if (!argument.arguments.empty()) write_arguments(reply, argument.arguments);
  }
}

void write_history(ReplyWriter& reply, const std::vector<Change>& history) {
  reply.bulk("history");
  reply.set_header(history.size());
  for (const Change& change : history) {
    reply.array_header(2);
    reply.bulk(change.since);
    reply.bulk(change.text);
  }
}

void write_docs(ReplyWriter& reply, const Row& row) {
  const Usage& usage = row.usage;
  reply.bulk(row.name);
  reply.map_header(
      3 + count_texts({row.complexity, usage.doc_flag, usage.deprecated_since, usage.replaced_by}) +
      (usage.history.empty() ? 0 : 1) + (usage.arguments.empty() ? 0 : 1) +
      (row.subcommands.empty() ? 0 : 1));
  reply.bulk("summary");
  reply.bulk(row.summary);
  reply.bulk("since");
  reply.bulk(row.since);
  reply.bulk("group");
  reply.bulk(row.group);
  write_text(reply, "complexity", row.complexity);
  if (!usage.doc_flag.empty()) {
    reply.bulk("doc_flags");
    reply.set_header(1);
    reply.simple_string(usage.doc_flag);
  }
  write_text(reply, "deprecated_since", usage.deprecated_since);
  write_text(reply, "replaced_by", usage.replaced_by);
  if (!usage.history.empty()) write_history(reply, usage.history);
  if (!usage.arguments.empty()) write_arguments(reply, usage.arguments);
  if (row.subcommands.empty()) return;
  reply.bulk("subcommands");
  reply.map_header(row.subcommands.size());
  for (const Row& subcommand : row.subcommands) write_docs(reply, subcommand);
}

}  // namespace

void reply_docs(const Table& table, const Arguments& args, ReplyWriter& reply) {
  std::vector<const Row*> rows;
  if (args.count() == 2) rows = table.rows();
  for (size_t i = 2; i < args.count(); ++i) {
    const Row* row = table.find(args[i]);
    if (row != nullptr) rows.push_back(row);
  }
  reply.map_header(rows.size());
  for (const Row* row : rows) write_docs(reply, *row);
}

}  // namespace alfheim::command
