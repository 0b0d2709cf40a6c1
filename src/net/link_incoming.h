// net/link_incoming: a connection that a peer dialled, and the messages that come over it.
//
// The first frame says who comes; until the host has judged it nothing further is read, and a
// stranger has little room and little time. Once welcomed, all that comes is the peer's
// messages to us, one lane of them. A frame that is not whole and right ends the connection.
//
// Thread: the io strand. Lifetime: shared by its connection, the host, its timer and the task
// that judges it; after close() it calls nobody.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/link_codec.h"
#include "net/link_options.h"

namespace alfheim::net {

class LinkIncoming final : public env::ConnectionHandler,
                           public std::enable_shared_from_this<LinkIncoming> {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    // Answers with welcome() or refuse(), now or later.
    virtual void on_hello(LinkIncoming& link) = 0;
    virtual void on_messages(LinkIncoming& link, std::vector<PeerMessage> messages,
                             size_t bytes) = 0;
    virtual void on_incoming_trouble(LinkIncoming& link, const std::string& words) = 0;
    // The last call; not after close().
    virtual void on_incoming_gone(LinkIncoming& link) = 0;
  };

  LinkIncoming(Host& host, const LinkHands& hands, const LinkOptions& options,
               env::Connection& connection);

  void begin();  // gives it its time to say hello
  void welcome();
  void refuse(const Refuse& refuse);
  void close();
  void set_reading(bool is_reading);

  bool is_welcome() const { return state_ == State::kOpen; }
  const Hello& hello() const { return hello_; }  // all zeros before it came
  // Who and from where, for people.
  std::string describe() const;
  std::string host_address() const { return connection_.peer_address().host; }

  std::span<char> read_buffer() override { return reader_.read_buffer(); }
  void on_bytes(size_t count) override;
  void on_sent() override {}
  void on_closed() override;

 private:
  enum class State : uint8_t { kStranger, kJudged, kOpen, kRefused, kClosed };

  void on_greeting(const Frame& frame);
  void read_messages();
  void fail(const std::string& words);
  void end();

  Host& host_;
  const LinkHands& hands_;
  const LinkOptions& options_;
  env::Connection& connection_;
  State state_ = State::kStranger;
  bool is_connected_ = true;  // the connection has not told its end
  Hello hello_;
  env::TimerId timer_;  // until it is welcome, or gone
  FrameReader reader_;
};

}  // namespace alfheim::net
