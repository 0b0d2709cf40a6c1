#include "server/join.h"

#include <memory>

#include "base/format.h"
#include "net/link_lane.h"
#include "server/options.h"

namespace alfheim::server {
namespace {

constexpr uint64_t kLookMs = 100;
// Operators add the node while it waits: it is not to wait much longer than they.
constexpr uint32_t kAskAgainMs = 1000;

class Caller final : public net::LinkLane::Host {
 public:
  explicit Caller(const JoinCall& call)
      : call_(call), hands_{call.network, call.loop, call.loop, call.random, call.clock} {
    options_.id = call.id;
    options_.name = call.name;
    options_.refused_back_off_ms = kAskAgainMs;
    lane_ = std::make_shared<net::LinkLane>(
        *this, hands_, options_, net::PeerEndpoint{base::NodeId{}, call.member}, net::Lane::kUrgent,
        std::make_shared<net::LinkGauges>());
  }

  base::Result<uint64_t> run() {
    call_.on_progress(
        base::format("asking {} to let node {} in", address_text(call_.member), call_.name));
    call_.loop.post([this] {
      lane_->start();
      look();
    });
    call_.loop.run();
    if (cluster_uid_ != 0) return cluster_uid_;
    return base::Error{base::ErrorCode::kUnavailable,
                       base::format("join {}: stopped before it let node {} in",
                                    address_text(call_.member), call_.name)};
  }

  void on_lane_open(net::LinkLane& lane) override {
    cluster_uid_ = lane.cluster_uid();
    end();
  }
  void on_lane_down(net::LinkLane&) override {}
  void on_lane_trouble(net::LinkLane&, const std::string& words, const net::Refuse*) override {
    if (words == said_) return;
    said_ = words;
    call_.on_progress(base::format("join {}: {}; asking on", address_text(call_.member), words));
  }

 private:
  void look() {
    if (call_.is_stop_wanted()) return end();
    call_.loop.post_after(kLookMs, [this] { look(); });
  }
  void end() {
    lane_->stop();
    call_.loop.request_stop();
  }

  const JoinCall& call_;
  net::LinkHands hands_;
  net::LinkOptions options_;
  std::shared_ptr<net::LinkLane> lane_;
  uint64_t cluster_uid_ = 0;
  std::string said_;
};

}  // namespace

base::Result<uint64_t> ask_to_join(const JoinCall& call) { return Caller(call).run(); }

}  // namespace alfheim::server
