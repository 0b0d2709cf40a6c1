#include "sim/client.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/text.h"
#include "replica/disk_guard.h"

namespace alfheim::sim {

using base::Bytes;
using base::ByteView;

namespace {

constexpr uint64_t kReconnectNsMax = 5'000'000;
constexpr uint64_t kIdleNs = 20'000;
constexpr size_t kShownBytesMax = 100;
const Bytes kOutOfRoom = Bytes(replica::kRefusedByFullDisk) + "\r\n";

// Length of the reply that `bytes` begin with; 0 where it is not whole yet.
size_t reply_length(ByteView bytes) {
  const size_t line_end = bytes.find("\r\n");
  if (line_end == ByteView::npos) return 0;
  const size_t line = line_end + 2;
  if (bytes.front() != '$' && bytes.front() != '*') return line;
  const std::optional<int64_t> count = base::parse_int64(bytes.substr(1, line_end - 1));
  if (!count || *count < 0) return line;
  if (bytes.front() == '$') {
    const size_t whole = line + static_cast<size_t>(*count) + 2;
    return bytes.size() < whole ? 0 : whole;
  }
  size_t length = line;
  for (int64_t i = 0; i < *count; ++i) {
    const size_t part = length < bytes.size() ? reply_length(bytes.substr(length)) : 0;
    if (part == 0) return 0;
    length += part;
  }
  return length;
}

Bytes encode(const Words& words) {
  Bytes bytes = base::format("*{}\r\n", words.size());
  for (const Bytes& word : words) {
    bytes += base::format("${}\r\n", word.size());
    bytes += word;
    bytes += "\r\n";
  }
  return bytes;
}

std::string shown(ByteView bytes) {
  std::string text = base::to_quoted(bytes.substr(0, kShownBytesMax));
  if (bytes.size() > kShownBytesMax) text += base::format("... ({} bytes)", bytes.size());
  return text;
}

std::string shown(const Words& words) {
  std::string text;
  for (const Bytes& word : words) text += (text.empty() ? "" : " ") + shown(word);
  return text;
}

}  // namespace

Client::Client(SimScheduler& scheduler, Oracle& oracle, Connect connect, uint64_t seed,
               const Options& options, const WorkloadOptions& workload)
    : scheduler_(scheduler),
      oracle_(oracle),
      connect_(std::move(connect)),
      options_(options),
      workload_(seed, workload) {}

// ---- asking ----

void Client::schedule_step(uint64_t least_ns) {
  if (std::exchange(is_step_scheduled_, true)) return;
  const uint64_t most_ns = stream_.connection ? options_.think_ns_max : kReconnectNsMax;
  scheduler_.post_world(least_ns + workload_.random().between(0, most_ns), [this] {
    is_step_scheduled_ = false;
    step();
  });
}

void Client::step() {
  if (is_done() || oracle_.has_failed()) return;
  if (stream_.connection == nullptr) {
    auto trace = std::make_shared<Trace>();
    stream_.connection = connect_(*this, trace);
    stream_.trace = std::move(trace);
    stream_.life = oracle_.life();
    if (options_.reads_followers && stream_.connection != nullptr) {
      add_literal({"READONLY"}, "+OK\r\n");
    }
  } else if ((stream_.must_leave && requests_.empty()) || has_lost_patience()) {
    disconnect();
  } else if (!stream_.to_send.empty()) {
    send_piece();
    if (stream_.to_send.empty()) end_input_sometimes();
  } else if (!stream_.has_ended_input && !stream_.must_leave &&
             requests_.size() < options_.pipeline_max && issued_ < options_.request_count) {
    issue();
    send_piece();
    if (stream_.to_send.empty()) end_input_sometimes();
  } else {
    return schedule_step(kIdleNs);  // an answer comes, or does not: no need to look all the time
  }
  schedule_step();
}

void Client::ask_more(uint64_t count) {
  options_.request_count = issued_ + count;
  schedule_step();
}

void Client::issue() {
  const uint64_t count = workload_.random().between(1, options_.pipeline_max);
  for (uint64_t i = 0; i < count && issued_ < options_.request_count; ++i) {
    const WorkloadOptions& features = workload_.options();
    if (features.has_blocks && workload_.random().below(12) == 0) {
      issue_block();
    } else {
      issue_simple();
    }
  }
}

void Client::issue_simple() {
  const WorkloadOptions& features = workload_.options();
  const uint64_t draw = workload_.random().below(40);
  if (draw == 0) return add_literal({"PING"}, "+PONG\r\n");
  if (draw == 1 && features.has_databases) {
    stream_.database = static_cast<uint32_t>(workload_.random().below(Workload::database_count()));
    return add_literal({"SELECT", std::to_string(stream_.database)}, "+OK\r\n");
  }
  if (draw == 2 && features.has_state_hash) {
    Request request;
    request.kind = Kind::kHash;
    request.words = {"RAFT", "HASH"};
    request.identity = state_hash_identity();
    return add(std::move(request));
  }
  Request request;
  request.kind = Kind::kCommand;
  request.words = workload_.next();
  request.identity = command_identity(stream_.database, request.words);
  // The same read twice in one pipeline: which of the two went through the log, where they are
  // answered alike, nobody could tell. So the second is another request.
  const bool is_asked = std::any_of(requests_.begin(), requests_.end(), [&](const Request& other) {
    return other.kind == Kind::kCommand && other.identity == request.identity;
  });
  if (is_asked && !Model::is_write(request.words[0])) return add_literal({"PING"}, "+PONG\r\n");
  add(std::move(request));
}

void Client::issue_block() {
  SimRandom& random = workload_.random();
  const bool is_watched = workload_.options().has_watches && random.coin();
  if (is_watched) {
    Request request;
    request.kind = Kind::kWatch;
    request.words = {"WATCH", workload_.watchable_key()};
    const Bytes other = workload_.watchable_key();
    if (other != request.words[1]) request.words.push_back(other);
    add(std::move(request));
    if (random.below(4) == 0) issue_simple();
    if (random.below(8) == 0) {
      add_literal({"UNWATCH"}, "+OK\r\n");
      requests_.back().forgets_watches = true;
    }
  }
  add_literal({"MULTI"}, "+OK\r\n");
  Request exec;
  exec.kind = Kind::kExec;
  exec.words = {"EXEC"};
  std::vector<uint64_t> calls;
  const uint64_t count = random.below(5);
  for (uint64_t i = 0; i < count; ++i) {
    const bool is_ping = random.below(10) == 0;
    const Words words = is_ping ? Words{"PING"} : workload_.next();
    exec.is_ping.push_back(is_ping);
    if (!is_ping) calls.push_back(command_identity(stream_.database, words));
    exec.may_grow = exec.may_grow || Model::may_grow(words[0]);
    add_literal(words, "+QUEUED\r\n");
  }
  if (random.below(10) == 0) {
    add_literal({"DISCARD"}, "+OK\r\n");
    requests_.back().forgets_watches = true;
    return;
  }
  exec.identity = block_identity(calls);
  add(std::move(exec));
}

void Client::add_literal(Words words, Bytes literal) {
  Request request;
  request.words = std::move(words);
  request.literal = std::move(literal);
  add(std::move(request));
}

void Client::add(Request request) {
  ++issued_;
  const Bytes bytes = encode(request.words);
  stream_.asked_bytes += bytes.size();
  stream_.to_send += bytes;
  request.end_offset = stream_.asked_bytes;
  request.database = stream_.database;
  requests_.push_back(std::move(request));
}

void Client::send_piece() {
  SimRandom& random = workload_.random();
  Bytes& waiting = stream_.to_send;
  const size_t count = random.below(4) == 0 ? static_cast<size_t>(random.between(1, waiting.size()))
                                            : waiting.size();
  stream_.sent_bytes += count;
  for (Request& request : requests_) {
    if (request.is_sent || request.end_offset > stream_.sent_bytes) continue;
    request.is_sent = true;
    request.floor = oracle_.floor();
    request.sent_ns = scheduler_.now_ns();
    if (request.kind != Kind::kLiteral && request.kind != Kind::kWatch) {
      oracle_.note_sent(request.identity);
    }
  }
  stream_.connection->client_send(waiting.substr(0, count));
  waiting.erase(0, count);
}

bool Client::has_lost_patience() const {
  if (options_.patience_ns == 0 || requests_.empty() || !requests_.front().is_sent) return false;
  return scheduler_.now_ns() > requests_.front().sent_ns + options_.patience_ns;
}

void Client::disconnect() {
  if (stream_.connection == nullptr) return;
  stream_.connection->client_close();
  stream_.has_ended_input = false;  // it does not wait for what it is owed
  on_disconnected();
}

// As `printf ... | nc`: everything asked is answered nevertheless, and then the server closes.
void Client::end_input_sometimes() {
  if (workload_.random().below(64) != 0) return;
  stream_.has_ended_input = true;
  stream_.connection->client_end_input();
}

void Client::on_disconnected() {
  const bool is_owed =
      stream_.has_ended_input && stream_.connection->was_served_to_the_end() && !requests_.empty();
  // Who was deposed leaves those whose block or WATCH it took when it led: elsewhere the block
  // would be done without them (docs/decisions/013).
  const bool may_be_left = oracle_.is_cluster() && is_owed &&
                           (requests_.front().kind == Kind::kExec || !stream_.watched.empty());
  if (is_owed && !may_be_left) {
    oracle_.fail(
        base::format("{}, and was disconnected after it had ended its input", waiting_for()));
  }
  stream_ = Stream();
  requests_.clear();
  schedule_step();
}

uint64_t Client::floor() const {
  if (options_.reads_stale) return 0;  // whoever was away has all of it to show
  uint64_t least = oracle_.floor();
  for (const Request& request : requests_) {
    if (request.is_sent) least = std::min(least, request.floor);
  }
  for (const WatchedKey& watched : stream_.watched) least = std::min(least, watched.from);
  return least;
}

std::string Client::waiting_for() const {
  if (requests_.empty()) return base::format("client {} waits for nothing", options_.number);
  return base::format("client {} waits for {} answers, first {} ({}connected, {})", options_.number,
                      requests_.size(), shown(requests_.front().words),
                      stream_.connection ? "" : "not ",
                      requests_.front().is_sent ? "sent" : "not sent whole");
}

// ---- judging ----

void Client::on_bytes(ByteView bytes) {
  stream_.received.append(bytes);
  size_t begin = 0;
  while (!oracle_.has_failed()) {
    const ByteView rest = ByteView(stream_.received).substr(begin);
    const size_t length = rest.empty() ? 0 : reply_length(rest);
    if (length == 0) break;
    if (requests_.empty()) {
      return oracle_.fail(base::format("client {} was told {} without having asked",
                                       options_.number, shown(rest.substr(0, length))));
    }
    const Request request = std::move(requests_.front());
    requests_.pop_front();
    scheduler_.mix_into_hash(base::hash64(rest.substr(0, length)));
    judge(request, rest.substr(0, length));
    ++answered_;
    begin += length;
  }
  stream_.received.erase(0, begin);
}

void Client::fail(const Request& request, ByteView reply, const std::string& why) {
  oracle_.fail(base::format("client {}, database {}: {} was answered {}: {}", options_.number,
                            request.database, shown(request.words), shown(reply), why));
}

void Client::answered_at(uint64_t position) {
  stream_.position = std::max(stream_.position, position);
  oracle_.note_answered(position);
}

uint64_t Client::least_for(const Request& request) const {
  return std::max(options_.reads_stale ? 0 : request.floor, stream_.position);
}

const LoggedOperation* Client::next_logged() const {
  for (const LoggedOperation& logged : *stream_.trace) {
    if (!logged.is_state_hash) return &logged;
  }
  return nullptr;
}

std::optional<LoggedOperation> Client::take_logged(bool is_state_hash) {
  Trace& trace = *stream_.trace;
  const auto found = std::find_if(trace.begin(), trace.end(), [&](const LoggedOperation& logged) {
    return logged.is_state_hash == is_state_hash;
  });
  if (found == trace.end()) return std::nullopt;
  LoggedOperation taken = std::move(*found);
  trace.erase(found);
  return taken;
}

uint64_t Client::until_now() const {
  const LoggedOperation* next = next_logged();
  if (next == nullptr) return oracle_.applied_position();
  return std::min(oracle_.applied_position(), next->position - 1);
}

void Client::judge(const Request& request, ByteView reply) {
  if (!request.is_sent) return fail(request, reply, "it was not sent whole");
  if (request.kind == Kind::kLiteral && request.words[0] == "MULTI") {
    stream_.is_block_refused = false;
  }
  if (is_excused(request, reply)) return;
  switch (request.kind) {
    case Kind::kLiteral:
      if (reply != request.literal) fail(request, reply, "expected " + shown(request.literal));
      if (request.forgets_watches) stream_.watched.clear();
      return;
    case Kind::kCommand: return judge_command(request, reply);
    case Kind::kExec: return judge_exec(request, reply);
    case Kind::kWatch: return judge_watch(request, reply);
    case Kind::kHash: return judge_hash(request, reply);
  }
}

// Errors of a disk that is full, or that failed a read.
bool Client::is_excused(const Request& request, ByteView reply) {
  if (is_redirected(request, reply)) return true;
  const Oracle::Excuses& excuses = oracle_.excuses();
  if (excuses.may_fail_reads && request.kind == Kind::kCommand &&
      !Model::is_write(request.words[0]) && reply.starts_with("-ERR the value cannot be read")) {
    return true;
  }
  if (excuses.may_fail_reads && request.kind == Kind::kHash &&
      reply.starts_with("-ERR the state cannot be read")) {
    return take_logged(true).has_value();
  }
  if (!excuses.may_refuse && !stream_.is_block_refused) return false;
  if (request.kind == Kind::kExec) {
    const bool is_refused =
        (reply == "-EXECABORT Transaction discarded because of: " + kOutOfRoom &&
         may_be_refused(request)) ||
        (stream_.is_block_refused &&
         reply == "-EXECABORT Transaction discarded because of previous errors.\r\n");
    if (!is_refused) {
      if (stream_.is_block_refused) fail(request, reply, "a command of it was refused");
      return false;
    }
    oracle_.note_refused(request.identity, stream_.life);
    stream_.watched.clear();
    return true;
  }
  if (reply != "-" + kOutOfRoom || !may_be_refused(request)) return false;
  // A read of a key that is due needs the log.
  if (request.kind == Kind::kWatch) return true;
  if (!Model::is_write(request.words[0])) return request.kind == Kind::kCommand;
  if (request.kind == Kind::kLiteral) {
    stream_.is_block_refused = true;
  } else {
    oracle_.note_refused(request.identity, stream_.life);
  }
  return true;
}

// The node does not lead: what it was asked was not done, and never will be.
bool Client::is_redirected(const Request& request, ByteView reply) {
  const bool is_moved = reply.starts_with("-MOVED ");
  const bool is_elsewhere = is_moved || reply == "-CLUSTERDOWN No leader\r\n" ||
                            reply == "-" + Bytes(replica::kRemoved) + "\r\n";
  if (!oracle_.is_cluster() || !is_elsewhere) return false;
  const bool is_queued = request.kind == Kind::kLiteral && request.literal == "+QUEUED\r\n";
  if (request.kind == Kind::kLiteral && !is_queued) return false;
  stream_.must_leave = true;
  const size_t space = reply.rfind(' ');
  on_redirect_(is_moved ? reply.substr(space + 1, reply.size() - space - 3) : ByteView());
  if (is_queued) {
    stream_.is_block_refused = true;
  } else if (request.kind != Kind::kWatch) {
    oracle_.note_refused(request.identity, stream_.life);
  }
  if (request.kind == Kind::kExec) stream_.watched.clear();
  return true;
}

// Since it was sent the node was in a state in which it refuses that.
bool Client::may_be_refused(const Request& request) const {
  const Oracle::Excuses& excuses = oracle_.excuses();
  const auto is_since = [&](const std::optional<uint64_t>& seen_ns) {
    return seen_ns && *seen_ns >= request.sent_ns;
  };
  const bool may_grow = request.may_grow || Model::may_grow(request.words[0]);
  if (may_grow && is_since(excuses.growth_refused_ns)) return true;
  return is_since(excuses.writes_refused_ns);
}

void Client::judge_command(const Request& request, ByteView reply) {
  const LoggedOperation* next = next_logged();
  if (next != nullptr && !next->is_block && next->identity == request.identity) {
    // The same read may have been asked twice, and answered without the log the first time: then
    // what stands in the log is the second one's.
    if (reply != next->reply && !Model::is_write(request.words[0])) {
      const uint64_t from = least_for(request);
      const std::optional<uint64_t> position =
          oracle_.explain_read(request.database, request.words, reply, from, until_now());
      if (position) return answered_at(*position);
    }
    const LoggedOperation logged = *take_logged(false);
    if (reply != logged.reply) {
      return fail(
          request, reply,
          base::format("at entry {} the model answers {}", logged.entry, shown(logged.reply)));
    }
    return answered_at(logged.position);
  }
  if (Model::is_write(request.words[0])) {
    return fail(request, reply,
                next == nullptr
                    ? Bytes("no such operation was applied for this connection")
                    : base::format("the next of this connection in the log is another one, of "
                                   "entry {}{}",
                                   next->entry, next->is_block ? " (a block)" : ""));
  }
  const uint64_t from = least_for(request);
  const std::optional<uint64_t> position =
      oracle_.explain_read(request.database, request.words, reply, from, until_now());
  if (position) return answered_at(*position);
  const uint64_t until = until_now();
  fail(request, reply,
       base::format("at no position of {}..{} (told to somebody {}, to this connection {}) the "
                    "model answers so; at the first: {}, at the last: {}",
                    from, until, request.floor, stream_.position,
                    shown(oracle_.model().read(request.database, request.words, from)),
                    shown(oracle_.model().read(request.database, request.words, until))));
}

void Client::judge_watch(const Request& request, ByteView reply) {
  if (reply != "+OK\r\n") return fail(request, reply, "expected +OK");
  const uint64_t from = least_for(request);
  for (size_t i = 1; i < request.words.size(); ++i) {
    stream_.watched.push_back({request.database, request.words[i], from, until_now()});
  }
}

void Client::judge_exec(const Request& request, ByteView reply) {
  // A block without data commands and watches is answered without the log: a later one of the
  // connection, that watches, looks the same there.
  const bool is_local =
      stream_.watched.empty() && std::all_of(request.is_ping.begin(), request.is_ping.end(),
                                             [](bool is_ping) { return is_ping; });
  const LoggedOperation* next = is_local ? nullptr : next_logged();
  // So does one that was refused without the log: what stands there is a later one's.
  const bool is_refused = reply == "*-1\r\n";
  const bool is_later = is_refused && next != nullptr && !next->is_watch_failed;
  if (next != nullptr && !is_later && next->is_block && next->identity == request.identity) {
    const LoggedOperation logged = *take_logged(false);
    Bytes expected =
        logged.is_watch_failed ? Bytes("*-1\r\n") : base::format("*{}\r\n", request.is_ping.size());
    size_t part = 0;
    for (size_t i = 0; i < request.is_ping.size() && !logged.is_watch_failed; ++i) {
      expected += request.is_ping[i] ? Bytes("+PONG\r\n") : logged.parts[part++];
    }
    if (reply != expected) {
      return fail(request, reply,
                  base::format("at entry {} the model answers {}", logged.entry, shown(expected)));
    }
    judge_watches(request, logged);
    stream_.watched.clear();
    return answered_at(logged.position);
  }
  // Refused without the log: a watched key must have been touched.
  if (is_refused) {
    const bool is_touched =
        std::any_of(stream_.watched.begin(), stream_.watched.end(), [&](const WatchedKey& watched) {
          return oracle_.model().is_touched(watched.database, watched.key, watched.from,
                                            oracle_.applied_position());
        });
    if (!is_touched) {
      std::string keys;
      for (const WatchedKey& watched : stream_.watched) {
        keys += base::format(" {} of database {} since {}", shown(watched.key), watched.database,
                             watched.from);
      }
      fail(
          request, reply,
          base::format("no watched key was touched up to {}:{}", oracle_.applied_position(), keys));
    }
    stream_.watched.clear();
    return;
  }
  Bytes expected = base::format("*{}\r\n", request.is_ping.size());
  for (const bool is_ping : request.is_ping) expected += is_ping ? "+PONG\r\n" : "?";
  if (reply != expected) fail(request, reply, "no such block was applied for this connection");
  stream_.watched.clear();
}

void Client::judge_watches(const Request& request, const LoggedOperation& logged) {
  for (const WatchedKey& watched : stream_.watched) {
    const auto found = std::find_if(
        logged.watches.begin(), logged.watches.end(), [&](const machine::Watch& watch) {
          return watch.database.value == watched.database && watch.key == watched.key;
        });
    if (found == logged.watches.end()) {
      return fail(request, "", "its block does not watch " + watched.key);
    }
    bool is_explained = false;
    for (uint64_t at = watched.from; at <= watched.until && !is_explained; ++at) {
      is_explained =
          oracle_.model().version(watched.database, watched.key, at) == found->version.value;
    }
    if (!is_explained) {
      return fail(request, "",
                  base::format("it watches {} as of entry {}, which WATCH cannot have seen",
                               watched.key, found->version.value));
    }
  }
}

void Client::judge_hash(const Request& request, ByteView reply) {
  const std::optional<LoggedOperation> logged = take_logged(true);
  if (!logged) return fail(request, reply, "no state hash was applied for this connection");
  const Bytes expected = base::format("$16\r\n{:016x}\r\n", logged->hash);
  if (reply != expected) fail(request, reply, "the model's state has " + shown(expected));
  answered_at(logged->position);
}

}  // namespace alfheim::sim
