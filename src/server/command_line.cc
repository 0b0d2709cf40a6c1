#include "server/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "base/format.h"
#include "server/machine_memory.h"
#include "server/option_table.h"
#include "server/option_text.h"
#include "server/toml_file.h"
#include "server/version.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr size_t kConfigBytesMax = base::kMiB;

// What argv says, as texts.
struct Given {
  std::string config_path;
  std::vector<std::pair<const OptionRow*, std::string>> values;
  std::string print_and_exit;
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// Values are quoted in messages, and may hold line ends.
Error one_line_error(Error error) {
  error.message = one_line(std::move(error.message));
  return error;
}

// "--name=" names an empty value, which CLI11 would take from the next word.
std::vector<std::string> split_empty_values(int argc, const char* const* argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    const bool is_empty_value = word.starts_with("--") && word.find('=') + 1 == word.size();
    if (is_empty_value) word.pop_back();
    words.push_back(std::move(word));
    if (is_empty_value) words.emplace_back();
  }
  return words;
}

// CLI11 throws; nothing it throws leaves this function.
Result<Given> read_arguments(int argc, const char* const* argv) {
  CLI::App app("AlfheimDB: a linearizable, durable Redis-protocol database.", "alfheimdb");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag("--help", "Print this help and exit");
  app.set_version_flag("--version", base::format("alfheimdb {}", kVersion));
  Given given;
  app.add_option("--config", given.config_path, "TOML file with options: each is a key of it")
      ->type_name("FILE");
  const std::span<const OptionRow> rows = option_rows();
  const Options defaults = defaults_for(machine_memory_bytes());
  std::vector<std::string> texts(rows.size());
  std::vector<CLI::Option*> options;
  for (size_t i = 0; i < rows.size(); ++i) {
    options.push_back(
        app.add_option("--" + std::string(rows[i].name), texts[i], std::string(rows[i].help))
            ->type_name(std::string(rows[i].meaning))
            ->default_str(rows[i].show(defaults)));
  }
  try {
    std::vector<std::string> words = split_empty_values(argc, argv);
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(std::move(words));
  } catch (const CLI::CallForHelp&) {
    given.print_and_exit = app.help();
    return given;
  } catch (const CLI::CallForVersion&) {
    given.print_and_exit = base::format("alfheimdb {}\n", kVersion);
    return given;
  } catch (const CLI::ParseError& error) {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("{} (--help lists the options)", one_line(error.what()))};
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (options[i]->count() > 0) given.values.emplace_back(&rows[i], std::move(texts[i]));
  }
  return given;
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const auto refuse = [&path](std::string_view reason) {
    return Error{ErrorCode::kIo, base::format("read configuration {}: {}", path, reason)};
  };
  if (!file) return refuse(std::strerror(errno));
  std::string text(kConfigBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) return refuse("cannot be read");
  if (file.gcount() == 0 && errno != 0) return refuse(std::strerror(errno));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kConfigBytesMax) {
    return refuse(base::format("larger than {} bytes", kConfigBytesMax));
  }
  return text;
}

// Names of the options that the text sets.
std::vector<std::string> keys_of(std::string_view text) {
  std::vector<std::string> keys;
  const Result<std::vector<TomlEntry>> entries = parse_toml(text);
  if (!entries) return keys;
  for (const TomlEntry& entry : *entries) keys.emplace_back(entry.key);
  return keys;
}

// What was given is taken at its word. What was not is derived from it, or, where both would
// contradict each other, named with its reason: nobody typed it.
Status complete(const std::vector<std::string>& given, Options& options) {
  const auto is_given = [&](std::string_view name) {
    return std::find(given.begin(), given.end(), name) != given.end();
  };
  const auto refuse = [](std::string message) {
    return Status(Error{ErrorCode::kInvalidArgument, std::move(message)});
  };
  StorageOptions& storage = options.storage;
  const bool is_dirty_alone = is_given("dirty-budget") && !is_given("memory-budget");
  if (is_given("memory-budget") && !is_given("dirty-budget")) {
    storage.dirty_budget_bytes = storage.memory_budget_bytes / 4;
  }
  if (is_dirty_alone && storage.memory_budget_bytes < 2 * storage.dirty_budget_bytes) {
    return refuse(base::format(
        "--dirty-budget {} needs a --memory-budget of {} or more; not given, that is {}, a "
        "quarter of this machine's memory",
        size_text(storage.dirty_budget_bytes), size_text(2 * storage.dirty_budget_bytes),
        size_text(storage.memory_budget_bytes)));
  }
  // What the machine gives may be less: a body that is larger is received with none beside it.
  const ClientOptions& client = options.client;
  if (is_given("request-memory") && client.request_memory_bytes < client.bulk_bytes_max) {
    return refuse(base::format("--request-memory {} must be at least --proto-max-bulk-len {}",
                               size_text(client.request_memory_bytes),
                               size_text(client.bulk_bytes_max)));
  }
  return base::ok();
}

Status put_entries(std::string_view text, std::string_view path, Options& options) {
  Result<std::vector<TomlEntry>> entries = parse_toml(text);
  if (!entries) {
    return Error{ErrorCode::kInvalidArgument,
                 base::format("read configuration {}: {}", path, entries.error().message)};
  }
  for (const TomlEntry& entry : *entries) {
    const OptionRow* row = find_option_row(entry.key);
    if (row == nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   base::format("read configuration {}: line {}: {} is no option (--help lists "
                                "them)",
                                path, entry.line, entry.key)};
    }
    if (const Status status = row->set(options, entry.value); !status) {
      return Error{ErrorCode::kInvalidArgument,
                   base::format("read configuration {}: line {}: {}: {}", path, entry.line,
                                entry.key, status.error().message)};
    }
  }
  return base::ok();
}

Result<ParsedCommandLine> parse_words(int argc, const char* const* argv, uint64_t machine_bytes) {
  ALF_TRY(Given given, read_arguments(argc, argv));
  ParsedCommandLine parsed;
  parsed.print_and_exit = std::move(given.print_and_exit);
  if (!parsed.print_and_exit.empty()) return parsed;
  Options& options = parsed.options;
  options = defaults_for(machine_bytes);
  std::vector<std::string> names;
  if (!given.config_path.empty()) {
    options.config_path = given.config_path;
    ALF_TRY(const std::string text, read_file(given.config_path));
    ALF_TRY_STATUS(put_entries(text, given.config_path, options));
    names = keys_of(text);
  }
  for (const auto& [row, text] : given.values) {
    names.emplace_back(row->name);
    if (const Status status = row->set(options, text); !status) {
      return Error{ErrorCode::kInvalidArgument,
                   base::format("--{}: {}", row->name, status.error().message)};
    }
  }
  ALF_TRY_STATUS(complete(names, options));
  ALF_TRY_STATUS(check_options(options));
  return parsed;
}

}  // namespace

Status apply_toml(std::string_view text, std::string_view path, Options& options) {
  Status status = put_entries(text, path, options);
  if (!status) return one_line_error(std::move(status).error());
  return base::ok();
}

Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv) {
  return parse_command_line(argc, argv, machine_memory_bytes());
}

Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv,
                                             uint64_t machine_memory_bytes) {
  Result<ParsedCommandLine> parsed = parse_words(argc, argv, machine_memory_bytes);
  if (!parsed) return one_line_error(std::move(parsed).error());
  return parsed;
}

}  // namespace alfheim::server
