// env/network: the seam through which connections come and go.
//
// A Connection is an ordered stream of bytes to one peer; a ConnectionHandler is whoever
// speaks on our side of it (server/session, the links between nodes). Handler and
// Connection of one stream live on one Strand: all calls between them happen there.
//
// Hands: net (Asio), sim/hands (queues under a virtual clock).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "env/executor.h"

namespace alfheim::env {

struct PeerAddress {
  std::string host;  // as text: 127.0.0.1, ::1, a name
  uint16_t port = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // Queues bytes; the hand writes them in order with as few calls as it can. Never blocks.
  virtual void send(base::Bytes bytes) = 0;
  // The same for bytes that others hold, too (the log's memory, links to other peers): net
  // writes them from where they lie. A hand that has no kernel below it may copy.
  virtual void send_shared(std::shared_ptr<const base::Bytes> bytes) { send(*bytes); }
  // Bytes held for what is queued and not yet wholly taken by the kernel.
  virtual size_t unsent_bytes() const = 0;
  // Stops or goes on calling on_bytes (back-pressure). Starts reading.
  virtual void set_reading(bool is_reading) = 0;
  // Sends what is queued, then closes; on_closed follows.
  virtual void close_after_sending() = 0;
  // Closes at once; on_closed follows.
  virtual void close() = 0;
  virtual PeerAddress peer_address() const = 0;
  virtual PeerAddress local_address() const = 0;
  virtual int file_descriptor() const = 0;  // -1 where there is none
};

class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // Bytes are there: the hand asks for room to read into, fills a part of it, and says how much,
  // before it calls anything else. So bytes reach the request cutter's buffer without a copy, and
  // a connection that sleeps needs none.
  virtual std::span<char> read_buffer() = 0;
  virtual void on_bytes(size_t count) = 0;
  // All that was queued has been taken by the kernel.
  virtual void on_sent() = 0;
  // The peer sends no more, but may still read. True: the handler closes when all is answered;
  // false: the hand closes once what is queued is sent.
  virtual bool on_end_of_input() { return false; }
  // The last call: after it the handler may be destroyed by whoever owns it.
  virtual void on_closed() = 0;
};

// Makes the handler of a connection that was accepted. The connection outlives the handler's
// last call (on_closed). Null refuses: the hand closes the connection.
using AcceptHandler =
    std::function<std::shared_ptr<ConnectionHandler>(Strand& strand, Connection& connection)>;

class Listener {
 public:
  virtual ~Listener() = default;
  virtual PeerAddress local_address() const = 0;  // with the port that was really taken
  // Until it is called, connections wait in the system's queue.
  virtual void start_accepting() = 0;
  virtual void close() = 0;  // accepts no more; connections stay
};

struct ConnectOptions {
  uint32_t timeout_ms = 1000;  // until the peer's system has answered, from when its name is known
  // How long what was sent may stay unacknowledged by the peer's system, or find no room there,
  // before the connection is given up; 0: as the network's own options say.
  uint32_t unacknowledged_ms_max = 0;
};
// Told on the strand how it ended, once and never from within connect(). A connection: makes its
// handler, as an AcceptHandler does. An Error (kInvalidArgument: not an address; kUnavailable:
// nobody answers there): returns null.
using ConnectHandler =
    std::function<std::shared_ptr<ConnectionHandler>(base::Result<Connection*> connection)>;

class Network {
 public:
  virtual ~Network() = default;
  virtual base::Result<std::unique_ptr<Listener>> listen(const PeerAddress& address,
                                                         AcceptHandler accept) = 0;
  // Connection and handler will live on `strand`, one of those that this network's hand serves.
  virtual void connect(const PeerAddress& address, Strand& strand, ConnectOptions options,
                       ConnectHandler done) = 0;
};

}  // namespace alfheim::env
