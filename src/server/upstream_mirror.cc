#include "server/upstream_mirror.h"

#include <string>
#include <string_view>

#include "resp/reply_writer.h"

namespace alfheim::server {
namespace {

// The head of an array or of one of its words.
constexpr size_t kHeadBytesMax = 24;

bool is_of_block(std::string_view name) {
  return name == "multi" || name == "exec" || name == "discard" || name == "watch" ||
         name == "unwatch";
}

}  // namespace

size_t request_bytes_max(std::span<const base::ByteView> words) {
  size_t bytes = kHeadBytesMax;
  for (const base::ByteView word : words) bytes += word.size() + kHeadBytesMax;
  return bytes;
}

void put_request(base::Bytes& out, std::span<const base::ByteView> words) {
  resp::ReplyWriter writer(out, resp::ProtocolVersion::kResp2);
  writer.array_header(words.size());
  for (const base::ByteView word : words) writer.bulk(word);
}

void put_request(base::Bytes& out, std::initializer_list<base::ByteView> words) {
  put_request(out, std::span<const base::ByteView>(words.begin(), words.size()));
}

size_t UpstreamMirror::add_greetings(base::Bytes& out, const Client& now) {
  if (takes_all()) return 0;
  size_t count = 0;
  const auto add = [&](std::initializer_list<base::ByteView> words) {
    put_request(out, words);
    ++count;
  };
  if (told_.protocol != now.protocol) {
    add({"HELLO", now.protocol == resp::ProtocolVersion::kResp3 ? "3" : "2"});
  }
  if (told_.database != now.database) add({"SELECT", std::to_string(now.database.value)});
  if (told_.names.name != now.names.name) add({"CLIENT", "SETNAME", now.names.name});
  if (told_.names.library_name != now.names.library_name) {
    add({"CLIENT", "SETINFO", "LIB-NAME", now.names.library_name});
  }
  if (told_.names.library_version != now.names.library_version) {
    add({"CLIENT", "SETINFO", "LIB-VER", now.names.library_version});
  }
  if (count > 0) told_ = now;
  return count;
}

void UpstreamMirror::note_request(const command::Row* row, size_t word_count, ClientInfo& info) {
  if (row == nullptr) return;
  info.last_row.store(row, std::memory_order_relaxed);
  const bool had_block = has_block_;
  // With further words they are refused, and change nothing.
  const bool is_alone = word_count == 1;
  const bool ends_block = is_alone && (row->name == "exec" || row->name == "discard");
  if (had_block && !is_of_block(row->name)) info.queued_count.fetch_add(1);
  if (!row->is_session()) return;
  if (row->name == "multi" && is_alone) has_block_ = true;
  if (row->name == "multi" && is_alone && !had_block) info.queued_count.store(0);
  if (row->name == "watch" && !had_block) {
    has_watch_ = true;
    info.watch_count.fetch_add(static_cast<uint32_t>(word_count - 1));
  }
  if (ends_block) has_block_ = false;
  if (ends_block) info.queued_count.store(-1);
  if (ends_block || (row->name == "unwatch" && !had_block)) {
    has_watch_ = false;
    info.watch_count.store(0);
  }
  const bool is_harmless = is_of_block(row->name) || row->name == "ping" || row->name == "echo";
  if (had_block && !is_harmless) is_tied_ = true;
}

void UpstreamMirror::end(ClientInfo& info) {
  has_block_ = has_watch_ = is_tied_ = false;
  info.queued_count.store(-1);
  info.watch_count.store(0);
}

}  // namespace alfheim::server
