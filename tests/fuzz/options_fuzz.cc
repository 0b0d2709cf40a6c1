// Fuzzes the node's configuration: the TOML file, the text of each option, the command line.
//
// The first byte chooses: 0 a TOML text; 1 a command line, its words ended by zero bytes;
// 2 the value of the option that the second byte names.
#include <string>
#include <vector>

#include "base/check.h"
#include "server/command_line.h"
#include "server/option_table.h"
#include "server/option_text.h"
#include "server/toml_file.h"
#include "tests/fuzz/fuzz_input.h"

namespace alfheim::fuzz {
namespace {

using server::Options;

// What is refused is told in one line, whatever stood in the input.
void check_refusal(const base::Error& error) {
  ALF_CHECK(!error.message.empty());
  ALF_CHECK(error.message.find('\n') == std::string::npos);
}

// What is shown can be given again and means the same.
void check_shown(const Options& options) {
  for (const server::OptionRow& row : server::option_rows()) {
    const std::string shown = row.show(options);
    Options again;
    ALF_CHECK(row.set(again, shown).is_ok());
    ALF_CHECK(row.show(again) == shown);
  }
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\' || letter == '\n') out += '\\';
    out += letter == '\n' ? 'n' : letter;
  }
  return out + "\"";
}

// The entries written down again and read again are the same.
void check_again(const std::vector<server::TomlEntry>& entries) {
  std::string again;
  for (const server::TomlEntry& entry : entries) {
    again += entry.key + " = " + quoted(entry.value) + "\n";
  }
  const auto second = server::parse_toml(again);
  ALF_CHECK(second.is_ok());
  ALF_CHECK(second->size() == entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    ALF_CHECK((*second)[i].key == entries[i].key);
    ALF_CHECK((*second)[i].value == entries[i].value);
  }
}

void read_toml(std::string_view text) {
  const auto entries = server::parse_toml(text);
  if (entries.is_ok()) check_again(*entries);
  Options options;
  const base::Status status = server::apply_toml(text, "fuzz.toml", options);
  if (!status.is_ok()) return check_refusal(status.error());
  check_shown(options);
  if (const base::Status all = server::check_options(options); !all.is_ok()) {
    check_refusal(all.error());
  }
}

void read_command_line(std::string_view text) {
  std::vector<std::string> words = {"alfheimdb"};
  while (!text.empty()) {
    const size_t end = std::min(text.find('\0'), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    // A fuzzer opens no files.
    if (words.back().starts_with("--config")) return;
  }
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  const auto parsed = server::parse_command_line(static_cast<int>(argv.size()), argv.data());
  if (!parsed.is_ok()) return check_refusal(parsed.error());
  if (parsed->print_and_exit.empty()) check_shown(parsed->options);
}

void read_value(uint8_t number, std::string_view text) {
  const auto rows = server::option_rows();
  const server::OptionRow& row = rows[number % rows.size()];
  ALF_CHECK(server::find_option_row(row.name) == &row);
  Options options;
  if (row.set(options, text).is_ok()) check_shown(options);
  if (const auto size = server::parse_size(text); size.is_ok()) {
    const auto again = server::parse_size(server::size_text(*size));
    ALF_CHECK(again.is_ok());
    ALF_CHECK(*again == *size);
  }
  if (const auto address = server::parse_address(text); address.is_ok()) {
    const auto again = server::parse_address(server::address_text(*address));
    ALF_CHECK(again.is_ok());
    ALF_CHECK(again->host == address->host);
    ALF_CHECK(again->port == address->port);
  }
  static_cast<void>(server::parse_output_limit(text).is_ok());
}

}  // namespace
}  // namespace alfheim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace alfheim;
  fuzz::Input input(data, size);
  switch (input.take_u8() % 3) {
    case 0: fuzz::read_toml(input.take_rest()); break;
    case 1: fuzz::read_command_line(input.take_rest()); break;
    default: {
      const uint8_t number = input.take_u8();
      fuzz::read_value(number, input.take_rest());
    }
  }
  return 0;
}
