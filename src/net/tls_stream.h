// net/tls_stream: TLS over a connection: bytes of the kernel's on one side, of the links' on the
// other.
//
// A handler of the connection below it, and a connection to the handler above, which it makes
// when the handshake is over. The certificate of either end is demanded and judged; an acceptor
// then says one byte, so that a dialler that was refused is told why before it takes itself for
// connected (in TLS 1.3 it would not wait for that). What is sent stays where it lies until it is
// encrypted, and is encrypted as the kernel takes it.
//
// Thread: the strand of its connection. Lifetime: shared by the connection below (until its
// on_closed) and tasks of its own.
// Format: docs/formats/link.md, "Under TLS".
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "env/network.h"
#include "net/tls_context.h"

struct bio_st;
struct ssl_st;

namespace alfheim::net {

class TlsStream final : public env::Connection,
                        public env::ConnectionHandler,
                        public std::enable_shared_from_this<TlsStream> {
 public:
  enum class Side : uint8_t { kDialler, kAcceptor };
  struct Options {
    Side side = Side::kDialler;
    std::string host;  // of a dialler: whom the certificate must name
    uint32_t handshake_timeout_ms = 3000;
    base::Bytes answer_to_plain;  // of an acceptor: said to who speaks no TLS
  };
  // `opened` is called once: with the connection, of which it makes the handler, or with why not.
  TlsStream(std::shared_ptr<const TlsContext> context, env::Strand& strand, env::Connection& below,
            Options options, env::ConnectHandler opened);
  ~TlsStream() override;

  // Says the dialler's first word, and gives both a time. False: there is no memory for it.
  bool begin();
  static bio_method_st* make_bytes();  // the context's

  // ---- env::Connection, of the handler above ----
  void send(base::Bytes bytes) override;
  void send_shared(std::shared_ptr<const base::Bytes> bytes) override;
  size_t unsent_bytes() const override;
  void set_reading(bool is_reading) override;
  void close_after_sending() override;
  void close() override;
  env::PeerAddress peer_address() const override { return peer_; }
  env::PeerAddress local_address() const override { return local_; }
  int file_descriptor() const override {
    return below_ == nullptr ? -1 : below_->file_descriptor();
  }

  // ---- env::ConnectionHandler, of the connection below ----
  std::span<char> read_buffer() override;
  void on_bytes(size_t count) override;
  void on_sent() override;
  bool on_end_of_input() override;
  void on_closed() override;

 private:
  // kFirstBytes: it may be somebody who speaks no TLS. kWord: the dialler waits to be let in.
  enum class State : uint8_t { kFirstBytes, kHandshake, kWord, kOpen, kClosed };
  using Piece = std::variant<base::Bytes, std::shared_ptr<const base::Bytes>>;
  struct FreeSsl {
    void operator()(ssl_st* ssl) const;
  };
  static base::ByteView bytes_of(const Piece& piece);
  static int read_below(bio_st* bio, char* into, int count);
  static int write_below(bio_st* bio, const char* from, int count);

  void progress();
  bool is_plain();
  void shake_hands();
  void take_word();
  void open();
  void read_some();
  void pump_later();
  void pump();
  bool encrypt_some();
  void drop_sent(size_t count);
  void flush_below();
  void fail(const std::string& words);
  std::string words_of(int result) const;

  const std::shared_ptr<const TlsContext> context_;
  env::Strand& strand_;
  env::Connection* below_;  // null: it is gone
  const Options options_;
  env::ConnectHandler opened_;  // null: it was called
  const env::PeerAddress peer_;
  const env::PeerAddress local_;
  std::unique_ptr<ssl_st, FreeSsl> ssl_;
  std::shared_ptr<env::ConnectionHandler> handler_;  // shared with nobody who outlives the stream
  State state_;
  env::TimerId timer_;
  struct {
    std::vector<char> buffer;  // encrypted
    size_t begin = 0;          // what OpenSSL has not taken
    size_t end = 0;
    bool is_wanted = false;  // by the handler above
  } in_;
  struct {
    std::deque<Piece> queued;  // plain
    size_t front_sent = 0;     // bytes of the first one
    size_t plain_bytes = 0;
    base::Bytes joined;     // small pieces, for one record
    base::Bytes encrypted;  // not yet handed below
    bool is_pump_set = false;
    bool is_last = false;  // it closes behind it
  } out_;
};

}  // namespace alfheim::net
