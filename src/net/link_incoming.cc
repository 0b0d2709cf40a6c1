#include "net/link_incoming.h"

#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/text.h"

namespace alfheim::net {

LinkIncoming::LinkIncoming(Host& host, const LinkHands& hands, const LinkOptions& options,
                           env::Connection& connection)
    : host_(host), hands_(hands), options_(options), connection_(connection) {}

void LinkIncoming::begin() {
  timer_ = hands_.io.post_after(options_.handshake_timeout_ms, [self = shared_from_this()] {
    if (self->state_ == State::kOpen || self->state_ == State::kClosed) return;
    self->end();  // said to nobody: port scanners and health checks come and go
  });
}

std::string LinkIncoming::describe() const {
  const env::PeerAddress peer = connection_.peer_address();
  if (hello_.version_max == 0) return base::format("somebody at {}", peer.host);
  return base::format("node {} ({}) at {}", hello_.from.value, base::to_quoted(hello_.name),
                      peer.host);
}

void LinkIncoming::on_bytes(size_t count) {
  reader_.filled(count);
  if (state_ == State::kOpen) return read_messages();
  if (state_ != State::kStranger) return;
  auto frame = reader_.next();
  if (!frame.is_ok()) return fail(frame.error().message);
  if (frame->has_value()) on_greeting(**frame);
}

void LinkIncoming::on_greeting(const Frame& frame) {
  const base::Result<Handshake> greeting = decode_handshake(frame);
  if (!greeting.is_ok()) return fail(greeting.error().message);
  const auto* hello = std::get_if<Hello>(&*greeting);
  if (hello == nullptr) return fail("an answer where a greeting was expected");
  hello_ = *hello;
  state_ = State::kJudged;
  // Whoever is judged waits for the answer; what it says before goes unread.
  connection_.set_reading(false);
  host_.on_hello(*this);
}

void LinkIncoming::welcome() {
  if (state_ != State::kJudged) return;
  hands_.io.cancel(std::exchange(timer_, {}));
  state_ = State::kOpen;
  reader_.expect(link_seed(options_.cluster_uid), kFrameBytesMax);
  connection_.send(encode_handshake(Welcome{.version = kFrameVersion,
                                            .cluster_uid = options_.cluster_uid,
                                            .from = options_.id,
                                            .data_uid = options_.data_uid,
                                            .name = options_.name}));
  connection_.set_reading(true);
}

void LinkIncoming::refuse(const Refuse& refuse) {
  if (state_ != State::kJudged) return;
  state_ = State::kRefused;
  connection_.send(encode_handshake(refuse));
  connection_.close_after_sending();
}

void LinkIncoming::set_reading(bool is_reading) {
  if (state_ == State::kOpen) connection_.set_reading(is_reading);
}

void LinkIncoming::read_messages() {
  std::vector<PeerMessage> messages;
  size_t bytes = 0;
  std::string trouble;
  for (;;) {
    const uint64_t offset_bytes = reader_.offset_bytes();
    auto frame = reader_.next();
    if (!frame.is_ok()) {
      trouble = frame.error().message;
      break;
    }
    if (!frame->has_value()) break;
    auto message = decode_message(std::move(**frame), hello_.from, options_.id);
    if (!message.is_ok()) {
      trouble = base::format("at offset_bytes={}: {}", offset_bytes, message.error().message);
      break;
    }
    bytes += reader_.offset_bytes() - offset_bytes;
    messages.push_back(std::move(*message));
  }
  const std::shared_ptr<LinkIncoming> self = shared_from_this();
  // What came whole before the bad frame counts.
  if (!messages.empty()) host_.on_messages(*this, std::move(messages), bytes);
  if (!trouble.empty()) fail(trouble);
}

void LinkIncoming::fail(const std::string& words) {
  if (state_ == State::kClosed) return;
  host_.on_incoming_trouble(*this, words);
  end();
}

void LinkIncoming::close() {
  state_ = State::kClosed;
  hands_.io.cancel(std::exchange(timer_, {}));
  if (is_connected_) connection_.close();
}

void LinkIncoming::end() {
  if (state_ == State::kClosed) return;
  const std::shared_ptr<LinkIncoming> self = shared_from_this();
  close();
  host_.on_incoming_gone(*this);
}

void LinkIncoming::on_closed() {
  is_connected_ = false;
  end();
}

}  // namespace alfheim::net
