// server/upstream_mirror: what a tunnel's other end was told of its client, and holds for it.
//
// The connection that the leader sees is the node's, not the client's: protocol, database and names
// are said to it again when they change, and an open MULTI or a WATCH stands there. Where a block
// has changed the connection itself, nobody but that end knows how it is.
//
// Thread: the connection's loop. Lifetime: a value of its session. Bytes are RESP requests.
// Why it is so: docs/decisions/016-the-tunnel.md.
#pragma once

#include <initializer_list>
#include <span>

#include "base/bytes.h"
#include "base/ids.h"
#include "command/table.h"
#include "resp/protocol.h"
#include "server/client_info.h"

namespace alfheim::server {

// More than a request of these words takes.
size_t request_bytes_max(std::span<const base::ByteView> words);
void put_request(base::Bytes& out, std::span<const base::ByteView> words);
void put_request(base::Bytes& out, std::initializer_list<base::ByteView> words);

class UpstreamMirror {
 public:
  // How a connection is seen by who asks through it.
  struct Client {
    resp::ProtocolVersion protocol = resp::ProtocolVersion::kResp2;
    base::DatabaseIndex database;
    ClientNames names;
  };

  // A connection that nothing was said to, and holds nothing.
  void begin() { *this = UpstreamMirror(); }
  // What the client relies on stands there, and nowhere else.
  bool is_bound() const { return has_block_ || has_watch_ || is_tied_; }
  // All that comes goes there, whatever it is.
  bool takes_all() const { return has_block_ || is_tied_; }
  bool has_watch() const { return has_watch_; }
  // What was said of the client is not what holds now: says it again. Returns how many requests
  // that is; none within a block.
  size_t add_greetings(base::Bytes& out, const Client& now);
  // What a request that goes there makes of the connection; null: a word that is no command.
  // `info` shows it to others.
  void note_request(const command::Row* row, size_t word_count, ClientInfo& info);
  // The connection is gone.
  void end(ClientInfo& info);

 private:
  Client told_;
  bool has_block_ = false;  // a MULTI is open
  bool has_watch_ = false;
  bool is_tied_ = false;  // a block changed the connection itself: who knows how
};

}  // namespace alfheim::server
