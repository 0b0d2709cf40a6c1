#include "net/link_lane.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace alfheim::net {
namespace {

// A payload below that is cheaper to copy than to name to the kernel.
constexpr size_t kCopyBytesMax = 512;

}  // namespace

// Our side of one connection; knows its lane until the lane leaves it.
class LinkLane::Handler final : public env::ConnectionHandler {
 public:
  Handler(std::shared_ptr<LinkLane> lane, env::Connection& connection)
      : lane_(std::move(lane)), connection_(connection) {}

  std::span<char> read_buffer() override { return reader_.read_buffer(); }
  void on_bytes(size_t count) override {
    reader_.filled(count);
    while (lane_ != nullptr) {
      auto frame = reader_.next();
      if (!frame.is_ok()) return lane_->give_up(frame.error().message);
      if (!frame->has_value()) return;
      // It may leave us in the midst of it.
      const std::shared_ptr<LinkLane> lane = lane_;
      lane->on_frame(**frame);
    }
  }
  void on_sent() override {
    if (lane_ != nullptr) lane_->on_sent();
  }
  void on_closed() override {
    is_closed_ = true;
    const std::shared_ptr<LinkLane> lane = std::move(lane_);
    lane_ = nullptr;
    if (lane != nullptr) lane->on_closed();
  }

  env::Connection& connection() { return connection_; }
  void leave() {
    lane_ = nullptr;
    if (!is_closed_) connection_.close();
  }

 private:
  std::shared_ptr<LinkLane> lane_;  // null: it has left us
  env::Connection& connection_;
  bool is_closed_ = false;
  FrameReader reader_;
};

LinkLane::LinkLane(Host& host, const LinkHands& hands, const LinkOptions& options,
                   PeerEndpoint peer, Lane lane, std::shared_ptr<LinkGauges> gauges)
    : host_(host),
      hands_(hands),
      options_(options),
      peer_(std::move(peer)),
      lane_(lane),
      gauges_(std::move(gauges)),
      back_off_ms_(options.back_off_ms_min) {}

void LinkLane::start() {
  ALF_CHECK(state_ == State::kWaiting);
  dial();
}

void LinkLane::stop() {
  hands_.io.cancel(std::exchange(timer_, {}));
  state_ = State::kStopped;
  leave_connection();
}

void LinkLane::renew() {
  if (!is_open()) return;
  leave_connection();
  wait(false);
}

// Lane and handler hold each other; the connection, which would say the last word, is gone.
void LinkLane::abandon() {
  state_ = State::kStopped;
  handler_.reset();
}

void LinkLane::hurry() {
  if (state_ != State::kWaiting) return;
  hands_.io.cancel(std::exchange(timer_, {}));
  dial();
}

void LinkLane::dial() {
  state_ = State::kDialling;
  env::ConnectOptions how;
  how.timeout_ms = options_.connect_timeout_ms;
  how.unacknowledged_ms_max =
      lane_ == Lane::kUrgent ? options_.unacknowledged_ms_max : options_.bulk_unacknowledged_ms_max;
  hands_.network.connect(peer_.address, hands_.io, how,
                         [self = shared_from_this()](base::Result<env::Connection*> connection) {
                           return self->on_dialled(std::move(connection));
                         });
}

std::shared_ptr<env::ConnectionHandler> LinkLane::on_dialled(
    base::Result<env::Connection*> connection) {
  if (state_ != State::kDialling) return nullptr;  // stopped meanwhile
  if (!connection.is_ok()) {
    give_up(connection.error().message);
    return nullptr;
  }
  handler_ = std::make_shared<Handler>(shared_from_this(), **connection);
  state_ = State::kGreeting;
  timer_ = hands_.io.post_after(options_.handshake_timeout_ms, [self = shared_from_this()] {
    if (self->state_ != State::kGreeting) return;
    self->give_up(base::format("no answer to the greeting within {} ms",
                               self->options_.handshake_timeout_ms));
  });
  (*connection)
      ->send(encode_handshake(Hello{.version_min = kFrameVersion,
                                    .version_max = kFrameVersion,
                                    .lane = lane_,
                                    .cluster_uid = options_.cluster_uid,
                                    .from = options_.id,
                                    .to = peer_.id,
                                    .data_uid = options_.data_uid,
                                    .name = options_.name}));
  return handler_;
}

void LinkLane::on_frame(const Frame& frame) {
  if (state_ != State::kGreeting) {
    return give_up(base::format("a frame of type {} ({}) on a connection that carries ours only",
                                frame.header.type, frame_type_name(frame.header.type)));
  }
  const base::Result<Handshake> answer = decode_handshake(frame);
  if (!answer.is_ok()) return give_up(answer.error().message);
  if (const auto* refuse = std::get_if<Refuse>(&*answer)) {
    return give_up(base::format("refused: {}", refuse->words), refuse);
  }
  if (const auto* welcome = std::get_if<Welcome>(&*answer)) return on_welcome(*welcome);
  give_up("the answer to the greeting is another greeting");
}

// Trusts the answerer no more than it trusts us.
void LinkLane::on_welcome(const Welcome& welcome) {
  if (welcome.version != kFrameVersion) {
    return give_up(base::format("welcomed with version {} of frames, ours is {}", welcome.version,
                                kFrameVersion));
  }
  if (options_.cluster_uid != 0 && welcome.cluster_uid != options_.cluster_uid) {
    return give_up(base::format("it belongs to cluster {:016x}, this node to {:016x}",
                                welcome.cluster_uid, options_.cluster_uid));
  }
  if (peer_.id.value != 0 && welcome.from != peer_.id) {
    return give_up(base::format("node {} answers there", welcome.from.value));
  }
  hands_.io.cancel(std::exchange(timer_, {}));
  state_ = State::kOpen;
  cluster_uid_ = welcome.cluster_uid;
  seed_ = link_seed(cluster_uid_);
  opened_at_ms_ = hands_.clock.monotonic_ms();
  host_.on_lane_open(*this);
}

bool LinkLane::send(const PeerMessage& message) {
  const size_t bytes_max =
      lane_ == Lane::kUrgent ? options_.urgent_bytes_max : options_.bulk_bytes_max;
  if (!is_open() || handler_->connection().unsent_bytes() + size_of(message) > bytes_max) {
    gauges_->dropped_count.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  for (WireFrame& frame : encode_message(message, seed_)) write(std::move(frame));
  gauges_->sent_count.fetch_add(1, std::memory_order_relaxed);
  show_unsent();
  return true;
}

void LinkLane::write(WireFrame frame) {
  env::Connection& connection = handler_->connection();
  uint64_t bytes = frame.head.size();
  base::Bytes own = std::move(frame.head);
  for (FramePayload& payload : frame.payloads) {
    if (payload == nullptr) continue;
    bytes += payload->size();
    if (payload->size() <= kCopyBytesMax) {
      own.append(*payload);
      continue;
    }
    connection.send(std::exchange(own, {}));
    connection.send_shared(std::move(payload));
  }
  connection.send(std::move(own));
  gauges_->sent_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

void LinkLane::show_unsent() {
  gauges_->unsent_bytes[lane_ == Lane::kUrgent ? 0 : 1].store(
      handler_ == nullptr ? 0 : handler_->connection().unsent_bytes(), std::memory_order_relaxed);
}

void LinkLane::on_sent() { show_unsent(); }

void LinkLane::on_closed() {
  handler_ = nullptr;
  give_up(state_ == State::kOpen ? "the connection was lost"
                                 : "the connection ended before the greeting was answered");
}

void LinkLane::give_up(const std::string& words, const Refuse* refuse) {
  if (state_ == State::kStopped) return;
  const std::shared_ptr<LinkLane> self = shared_from_this();  // the host may let go of us
  const bool was_open = is_open();
  if (was_open && hands_.clock.monotonic_ms() - opened_at_ms_ >= options_.stable_ms) {
    back_off_ms_ = options_.back_off_ms_min;
  }
  hands_.io.cancel(std::exchange(timer_, {}));
  leave_connection();
  wait(refuse != nullptr);
  if (was_open) host_.on_lane_down(*this);
  if (state_ != State::kStopped) host_.on_lane_trouble(*this, words, refuse);
}

void LinkLane::leave_connection() {
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->leave();
  show_unsent();
}

void LinkLane::wait(bool is_refused) {
  state_ = State::kWaiting;
  const uint64_t whole_ms = is_refused ? options_.refused_back_off_ms : back_off_ms_;
  back_off_ms_ = std::min(back_off_ms_ * 2, options_.back_off_ms_max);
  // Chance, so that nodes that lost one another at once do not come back at once, again and again.
  const uint64_t delay_ms = whole_ms / 2 + hands_.random.next_u64() % (whole_ms / 2 + 1);
  timer_ = hands_.io.post_after(delay_ms, [self = shared_from_this()] {
    if (self->state_ == State::kWaiting) self->dial();
  });
}

}  // namespace alfheim::net
