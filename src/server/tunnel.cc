#include "server/tunnel.h"

#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace alfheim::server {
namespace {

// A way that is dead while its leader leads on; far longer than a leader lets a tunnel wait.
constexpr uint32_t kUnacknowledgedMsMax = 60'000;
// Of a reply to the greeting, what is kept for the words of an error.
constexpr size_t kOwnReplyBytesMax = 256;

}  // namespace

void Tunnel::start(env::Network& network, env::Strand& loop, const env::PeerAddress& address,
                   base::Bytes greeting, size_t request_count) {
  ALF_CHECK(request_count > 0);
  greeting_ = std::move(greeting);
  expected_.assign(request_count, ReplyFor::kTunnel);
  network.connect(address, loop, {.unacknowledged_ms_max = kUnacknowledgedMsMax},
                  [self = shared_from_this()](base::Result<env::Connection*> connection)
                      -> std::shared_ptr<env::ConnectionHandler> {
                    if (self->owner_ == nullptr) return nullptr;
                    if (connection) {
                      self->on_dialled(**connection);
                      return self;
                    }
                    self->state_ = State::kClosed;
                    self->trouble_ = connection.error().message;
                    self->tell_changed();
                    return nullptr;
                  });
}

void Tunnel::on_dialled(env::Connection& connection) {
  ALF_CHECK(state_ == State::kConnecting);
  connection_ = &connection;
  state_ = State::kGreeting;
  connection_->send(std::exchange(greeting_, {}));
}

void Tunnel::greet(base::Bytes greeting, size_t request_count) {
  ALF_CHECK(is_open());
  const size_t count = ALF_MUTANT(TunnelRepliesCrossed) ? 0 : request_count;
  expected_.insert(expected_.end(), count, ReplyFor::kTunnel);
  connection_->send(std::move(greeting));
}

void Tunnel::send(base::Bytes request, ReplyFor reply_for) {
  ALF_CHECK(is_open());
  expected_.push_back(reply_for);
  connection_->send(std::move(request));
}

void Tunnel::send_shared(std::shared_ptr<const base::Bytes> request, ReplyFor reply_for) {
  ALF_CHECK(is_open());
  expected_.push_back(reply_for);
  connection_->send_shared(std::move(request));
}

void Tunnel::set_reading(bool is_reading) {
  if (connection_ != nullptr) connection_->set_reading(is_reading);
}

void Tunnel::close() {
  owner_ = nullptr;
  state_ = State::kClosed;
  if (connection_ != nullptr) connection_->close();
}

void Tunnel::on_bytes(size_t count) {
  base::ByteView bytes(buffer_.data(), count);
  base::Bytes for_client;
  while (!bytes.empty() && state_ != State::kClosed) {
    size_t taken = 0;
    const resp::ReplyScanner::Found found = scanner_.scan(bytes, taken);
    const base::ByteView part = bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (found == resp::ReplyScanner::Found::kBroken) {
      fail("what it sends is no reply");
    } else if (scanner_.is_push()) {
      for_client.append(part);
    } else if (expected_.empty()) {
      fail("it answers what nobody asked");
    } else {
      if (expected_.front() == ReplyFor::kClient) for_client.append(part);
      if (expected_.front() == ReplyFor::kTunnel) take_own(part, found);
      if (found == resp::ReplyScanner::Found::kReply) expected_.pop_front();
    }
  }
  const bool is_greeted = state_ == State::kGreeting && expected_.empty();
  if (is_greeted) {
    state_ = State::kOpen;
    was_open_ = true;
  }
  if (owner_ != nullptr && !for_client.empty()) owner_->on_upstream_bytes(std::move(for_client));
  tell_changed();
}

// An error: it does not lead, or does not take us.
void Tunnel::take_own(base::ByteView bytes, resp::ReplyScanner::Found found) {
  const size_t room = kOwnReplyBytesMax - own_reply_.size();
  own_reply_.append(bytes.substr(0, room));
  if (found != resp::ReplyScanner::Found::kReply) return;
  base::ByteView words = own_reply_;
  if (scanner_.is_error()) fail(std::string(words.substr(1, words.find_first_of("\r\n") - 1)));
  own_reply_.clear();
}

void Tunnel::fail(std::string trouble) {
  trouble_ = std::move(trouble);
  state_ = State::kClosed;
  if (connection_ != nullptr) connection_->close();
}

void Tunnel::on_sent() { tell_changed(); }

void Tunnel::on_closed() {
  connection_ = nullptr;
  if (std::exchange(state_, State::kClosed) != State::kClosed) tell_changed();
}

void Tunnel::tell_changed() {
  if (owner_ != nullptr) owner_->on_upstream_changed();
}

}  // namespace alfheim::server
