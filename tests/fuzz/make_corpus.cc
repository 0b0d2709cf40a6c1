// Writes the fuzzers' seed corpora: what the golden files hold, and a few inputs of each kind.
//
//   make_corpus GOLDEN_DIRECTORY CORPUS_DIRECTORY
//
// Seeds are small: the forms that the fuzzers read (see each), without padding. Run it again
// where a form changes; the corpora are committed.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "machine/state.h"
#include "net/testing_messages.h"
#include "raft/configuration.h"
#include "server/option_table.h"
#include "tests/fuzz/fuzz_input.h"
#include "types/key_codec.h"
#include "types/key_record.h"
#include "vlog/format_v1.h"

namespace alfheim::fuzz {
namespace {

using base::Bytes;
using base::ByteView;

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  ALF_CHECK_MSG(in.is_open(), path.native());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class Corpus {
 public:
  explicit Corpus(std::filesystem::path directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
  }
  void add(const std::string& name, ByteView bytes) {
    std::ofstream out(directory_ / name, std::ios::binary);
    out << bytes;
    out.close();
    ALF_CHECK(out.good());
  }

 private:
  std::filesystem::path directory_;
};

// The golden files of vlog leave out blocks of zeros (src/vlog/golden_test.cc).
Bytes unpack(ByteView packed) {
  base::Reader reader(packed);
  uint64_t length = 0, number = 0;
  ALF_CHECK(reader.get_u64(length));
  Bytes out(length, '\0');
  ByteView block;
  while (!reader.is_empty()) {
    ALF_CHECK(reader.get_u64(number));
    ALF_CHECK(reader.get_bytes(env::kBlockBytes, block));
    out.replace(number * env::kBlockBytes, block.size(), block);
  }
  return out;
}

ByteView without_zeros_behind(ByteView bytes) {
  return bytes.substr(0, bytes.find_last_not_of('\0') + 1);
}

// Each batch as segment_fuzz reads it: header, u16 length, body.
Bytes batches_of(ByteView segment, uint64_t uid) {
  Bytes out;
  for (uint64_t at = vlog::kSegmentHeaderBytes; at < segment.size();) {
    const auto batch = vlog::decode_batch_header(segment.substr(at), uid);
    if (!batch.is_ok()) break;
    out += segment.substr(at, vlog::kBatchHeaderBytes);
    base::put_u16(out, static_cast<uint16_t>(batch->body_bytes));
    out += segment.substr(at + vlog::kBatchHeaderBytes, batch->body_bytes);
    at += batch->padded_bytes();
  }
  return out;
}

Bytes one_batch(std::vector<Bytes> payloads, base::LogIndex first, bool is_copied) {
  Bytes body;
  base::LogIndex index = first;
  for (const Bytes& payload : payloads) {
    Bytes header(vlog::kRecordHeaderBytes, '\0');
    vlog::encode_record_header({.index = index,
                                .term = {3},
                                .stamp = {1'700'000'000'000},
                                .kind = raft::EntryKind::kCommands,
                                .is_copied = is_copied,
                                .payload_bytes = static_cast<uint32_t>(payload.size())},
                               0, header.data());
    body += header + payload;
    index = index.next();
  }
  Bytes out(vlog::kBatchHeaderBytes, '\0');
  vlog::encode_batch_header({.body_bytes = body.size(),
                             .record_count = static_cast<uint32_t>(payloads.size()),
                             .is_copied = is_copied,
                             .first_index = first},
                            0, out.data());
  base::put_u16(out, static_cast<uint16_t>(body.size()));
  return out + body;
}

void write_vlog(const std::filesystem::path& golden, const std::filesystem::path& corpus) {
  Corpus segments(corpus / "segment");
  Corpus footers(corpus / "footer");
  for (const char* name : {"00000000000000000001.seg", "00000000000000000003.seg"}) {
    const Bytes file = unpack(read_file(golden / "vlog/v1" / (std::string(name) + ".packed")));
    const ByteView bytes = file;
    const auto header = vlog::decode_segment_header(bytes.substr(0, vlog::kSegmentHeaderBytes));
    ALF_CHECK(header.is_ok());
    segments.add(std::string("golden_") + name, Bytes(1, '\0') + batches_of(bytes, header->uid));
    const ByteView trailer = bytes.substr(bytes.size() - vlog::kFooterTrailerBytes);
    const auto lengths = vlog::decode_footer_trailer(trailer, header->uid);
    if (!lengths.is_ok()) continue;
    const ByteView footer = bytes.substr(bytes.size() - lengths->footer_bytes);
    const ByteView body = footer.substr(0, footer.size() - vlog::kFooterTrailerBytes);
    footers.add(std::string("golden_") + name,
                Bytes(1, '\x20') + Bytes(trailer) + Bytes(without_zeros_behind(body)));
  }
  const Bytes two = one_batch({"one", ""}, {1}, false) + one_batch({"three"}, {3}, false);
  segments.add("two_batches", Bytes(1, '\0') + two);
  segments.add("a_truncation", Bytes(1, '\0') + two + one_batch({"new"}, {2}, false));
  segments.add("copied", Bytes(1, '\0') + one_batch({"a", "b"}, {1}, true));
  segments.add("raw", Bytes(1, '\x01') + two);
  segments.add("free_places", Bytes(1, '\x02') + two);

  const Bytes meta = unpack(read_file(golden / "vlog/v1/META.packed"));
  Corpus metas(corpus / "meta");
  for (size_t copy : {0, 2}) {
    metas.add("golden_" + std::to_string(copy),
              without_zeros_behind(
                  ByteView(meta).substr(copy * vlog::kMetaBlockBytes, vlog::kMetaBlockBytes)));
  }
  vlog::Meta trimmed;
  trimmed.is_clean = true;
  trimmed.trims = {{4, {100}}, {5, {200}}};
  metas.add("trims", without_zeros_behind(vlog::encode_meta(trimmed)));
}

void write_entries(const std::filesystem::path& golden, const std::filesystem::path& corpus) {
  Corpus entries(corpus / "entry");
  for (const char* name : {"block", "commands", "fragments", "state_hash"}) {
    entries.add(std::string("golden_") + name, read_file(golden / "machine/v1" / name));
  }
  entries.add("tick", "");
}

void write_records(const std::filesystem::path& golden, const std::filesystem::path& corpus) {
  Corpus records(corpus / "records");
  const vlog::ValueAddress address{
      .index = {7}, .offset_bytes = 30, .length_bytes = 5000, .crc = 9};
  const types::Version version{.index = {7}, .mutation = 2};
  const auto add = [&](const std::string& name, types::Layout layout, const Bytes& body,
                       std::optional<uint64_t> deadline_ms) {
    Bytes out;
    types::put_key_record(
        out, {.layout = layout, .last_write = {300}, .deadline_ms = deadline_ms, .body = body});
    records.add("record_" + name, out);
  };
  add("inline", types::Layout::kInline, "value", std::nullopt);
  add("integer", types::Layout::kInteger, types::encode_integer(-1), 1'700'000'000'000);
  add("separated", types::Layout::kSeparated, types::encode_separated(address), std::nullopt);
  add("fragments", types::Layout::kFragments,
      types::encode_fragments(
          {.skip_bytes = 3, .length_bytes = 9000, .pieces = {address, address}}),
      std::nullopt);
  add("chunked", types::Layout::kChunked,
      types::encode_chunked({.version = version, .length_bytes = 70000}), 5);
  const Bytes key = types::key_record_key(types::Epoch{3}, "user:{1}:name");
  records.add("key_record", key);
  records.add("key_chunk", types::chunk_key(version, 1));
  records.add("key_version", types::version_key(version));
  records.add("key_reference", types::reference_key(address, key));
  records.add("key_expiry", types::expiry_key(1'700'000'000'000, key));
  records.add("golden_machine_state", read_file(golden / "machine/v1/machine_state"));
  records.add("state_new", machine::MachineState{}.encode());
  records.add("configuration_one",
              raft::encode_configuration(raft::make_configuration(std::vector{base::NodeId{1}})));
  raft::Configuration joint;
  joint.voters = {base::NodeId{1}, base::NodeId{2}, base::NodeId{300}};
  joint.outgoing = {base::NodeId{1}, base::NodeId{5}};
  joint.learners = {base::NodeId{4}};
  joint.learners_next = {base::NodeId{5}};
  joint.retired = {base::NodeId{6}};
  joint = raft::with_unnamed_members(joint);
  joint.members[0] = {base::NodeId{1}, "n1", "10.0.0.1:7379", 0xd1};
  records.add("configuration_joint", raft::encode_configuration(joint));
  records.add("golden_configuration_1", read_file(golden / "raft/v1/configuration"));
  records.add("golden_configuration_2", read_file(golden / "raft/v2/configuration"));
}

void write_replies(const std::filesystem::path& corpus) {
  Corpus replies(corpus / "reply_scanner");
  // One byte first: how the rest is divided.
  replies.add("array", "\x07+OK\r\n*2\r\n$3\r\nfoo\r\n:1\r\n");
  replies.add("resp3", "\x01%1\r\n+a\r\n~2\r\n,1.5\r\n_\r\n>1\r\n+m\r\n|1\r\n+k\r\n:2\r\n#t\r\n");
  replies.add("ends", "\x02$-1\r\n*-1\r\n-ERR x\r\n!3\r\nERR\r\n=7\r\ntxt:abc\r\n(12\r\n$x\r\n");
}

void write_requests(const std::filesystem::path& corpus) {
  Corpus requests(corpus / "request_cutter");
  // Two bytes first: the options, and how the reads divide the rest.
  const auto add = [&](const std::string& name, char options, const Bytes& text) {
    requests.add(name, Bytes(1, options) + "\x07" + text);
  };
  add("pipeline", 0, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  add("inline", 0, "PING\r\nset \"a\\x41\\n\" 'b\\'c'\nGET a\r\n\r\n");
  add("empty", 0, "*0\r\n*-1\r\n\r\n*1\r\n$0\r\n\r\n");
  add("limits", 3, "*5\r\n$1\r\na\r\n*2\r\n$65\r\n");
  add("not_authenticated", 4, "*2\r\n$4\r\nAUTH\r\n$16385\r\n*11\r\n");
  add("unfinished", 0, "*2\r\n$3\r\nGET\r\n$1000\r\nabc");
  add("bad_count", 0, "*1x\r\n");
  add("bad_length", 0, "*1\r\n$-5\r\n");
  add("bad_quotes", 0, "SET \"a\"b\r\n");
  Bytes many_words = "*40\r\n";
  for (int i = 0; i < 40; ++i)
    many_words += i % 8 == 7 ? "$20\r\na word of many\r\n...\r\n" : "$1\r\na\r\n";
  add("many_buffers", 8, many_words + many_words + "PING\r\n");
}

void write_links(const std::filesystem::path& corpus) {
  Corpus links(corpus / "link");
  const uint32_t seed = net::link_seed(0xa1f);
  Bytes all(1, '\0');
  for (const net::TestingMessage& one : net::testing_messages()) {
    links.add(one.name, Bytes(1, '\0') + net::joined(one.message, seed));
    all += net::joined(one.message, seed);
  }
  links.add("all", all);
  links.add("sealed", Bytes(1, '\x01') + all.substr(1));
  const net::Handshake greetings[] = {net::testing_hello(), net::testing_welcome(),
                                      net::testing_refuse()};
  const char* const names[] = {"hello", "welcome", "refuse"};
  for (size_t i = 0; i < std::size(greetings); ++i) {
    links.add(names[i], Bytes(1, '\x02') + net::encode_handshake(greetings[i]));
  }
}

void write_manifests(const std::filesystem::path& golden, const std::filesystem::path& corpus) {
  const Bytes whole = read_file(golden / "upkeep/v1/MANIFEST");
  Corpus manifests(corpus / "manifest");
  manifests.add("golden", whole);
  manifests.add("cut", ByteView(whole).substr(0, 100));
}

void write_options(const std::filesystem::path& corpus) {
  Corpus options(corpus / "options");
  const server::Options defaults;
  Bytes toml(1, '\0');
  Bytes words(1, '\x01');
  uint8_t number = 0;
  for (const server::OptionRow& row : server::option_rows()) {
    const std::string shown = row.show(defaults);
    const std::string name(row.name);
    toml += name + " = \"" + shown + "\"\n";
    words += "--" + name + "=" + shown + Bytes(1, '\0');
    Bytes value(1, '\x02');
    base::put_u8(value, number++);
    options.add("value_" + name, value + shown);
  }
  options.add("toml_all", toml);
  options.add("words_all", words);
  options.add("toml_forms", Bytes(1, '\0') +
                                "# a comment\r\nloops = 2 # behind\n\"id\" = 'n2'\n"
                                "requirepass = \"a\\\"b\\t#\\\\\"\nmaxclients = +1_000\n");
  options.add("toml_table", Bytes(1, '\0') + "[server]\nloops = 2\n");
  options.add("words_empty", Bytes(1, '\x01') + "--requirepass=" + Bytes(1, '\0') + "--loops" +
                                 Bytes(1, '\0') + "4");
  options.add("words_help", Bytes(1, '\x01') + "--help");
  options.add("value_address_v6", Bytes("\x02\x02") + "[::1]:6379");
  options.add("value_output_limit",
              Bytes("\x02\x17") + "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60");
}

}  // namespace
}  // namespace alfheim::fuzz

int main(int count, char** arguments) {
  using namespace alfheim::fuzz;
  if (count != 3) {
    std::fprintf(stderr, "make_corpus: expected GOLDEN_DIRECTORY CORPUS_DIRECTORY\n");
    return 1;
  }
  const std::filesystem::path golden = arguments[1];
  const std::filesystem::path corpus = arguments[2];
  write_vlog(golden, corpus);
  write_entries(golden, corpus);
  write_records(golden, corpus);
  write_replies(corpus);
  write_requests(corpus);
  write_options(corpus);
  write_links(corpus);
  write_manifests(golden, corpus);
  return 0;
}
