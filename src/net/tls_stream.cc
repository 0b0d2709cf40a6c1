#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "base/limits.h"

namespace alfheim::net {
namespace {

constexpr size_t kInputBytes = 64 * base::kKiB;
// A record of TLS holds so much.
constexpr size_t kRecordBytes = 16 * base::kKiB;
// Encrypted bytes that the kernel has not taken: the rest waits where it lies.
constexpr size_t kAheadBytesMax = 256 * base::kKiB;
// What an acceptor says once the caller's certificate is good.
constexpr base::ByteView kWord = "A";

}  // namespace

void TlsStream::FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

bio_method_st* TlsStream::make_bytes() {
  BIO_METHOD* const method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "stream");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read(method, &TlsStream::read_below);
  BIO_meth_set_write(method, &TlsStream::write_below);
  BIO_meth_set_ctrl(method, [](BIO*, int command, long, void*) -> long {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  });
  BIO_meth_set_create(method, [](BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  });
  return method;
}

int TlsStream::read_below(bio_st* bio, char* into, int count) {
  auto& in = static_cast<TlsStream*>(BIO_get_data(bio))->in_;
  BIO_clear_retry_flags(bio);
  const size_t taken = std::min(in.end - in.begin, static_cast<size_t>(std::max(count, 0)));
  if (taken == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(into, in.buffer.data() + in.begin, taken);
  in.begin += taken;
  return static_cast<int>(taken);
}

int TlsStream::write_below(bio_st* bio, const char* from, int count) {
  BIO_clear_retry_flags(bio);
  static_cast<TlsStream*>(BIO_get_data(bio))
      ->out_.encrypted.append(from, static_cast<size_t>(count));
  return count;
}

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, env::Strand& strand,
                     env::Connection& below, Options options, env::ConnectHandler opened)
    : context_(std::move(context)),
      strand_(strand),
      below_(&below),
      options_(std::move(options)),
      opened_(std::move(opened)),
      peer_(below.peer_address()),
      local_(below.local_address()),
      state_(options_.side == Side::kAcceptor ? State::kFirstBytes : State::kHandshake) {}

TlsStream::~TlsStream() = default;

bool TlsStream::begin() {
  ssl_.reset(SSL_new(context_->get()));
  BIO* const bio = BIO_new(context_->stream_bytes());
  if (ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (options_.side == Side::kAcceptor) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_.get());
    const bool is_digits = X509_VERIFY_PARAM_set1_ip_asc(wanted, options_.host.c_str()) == 1;
    if (!is_digits && SSL_set1_host(ssl_.get(), options_.host.c_str()) != 1) return false;
  }
  timer_ = strand_.post_after(options_.handshake_timeout_ms, [self = shared_from_this()] {
    self->fail(base::format("no handshake within {} ms", self->options_.handshake_timeout_ms));
  });
  if (options_.side == Side::kDialler) {
    strand_.post([self = shared_from_this()] { self->progress(); });
  }
  return true;
}

// ---- in ----

std::span<char> TlsStream::read_buffer() {
  in_.buffer.resize(kInputBytes);
  std::memmove(in_.buffer.data(), in_.buffer.data() + in_.begin, in_.end - in_.begin);
  in_.end -= std::exchange(in_.begin, 0);
  return std::span<char>(in_.buffer).subspan(in_.end);
}

void TlsStream::on_bytes(size_t count) {
  in_.end += count;
  progress();
}

void TlsStream::progress() {
  const std::shared_ptr<TlsStream> self = shared_from_this();  // whoever is told may let go of us
  if (state_ == State::kFirstBytes) {
    if (in_.end < kTlsFirstBytes.size()) return;
    if (is_plain()) return;
    state_ = State::kHandshake;
  }
  if (state_ == State::kHandshake) shake_hands();
  if (state_ == State::kWord) take_word();
  if (state_ == State::kOpen) read_some();
}

bool TlsStream::is_plain() {
  if (base::ByteView(in_.buffer.data(), kTlsFirstBytes.size()) == kTlsFirstBytes) return false;
  if (below_ != nullptr) below_->send(options_.answer_to_plain);
  fail("it speaks no TLS");
  return true;
}

void TlsStream::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) return flush_below();
    return fail(words_of(result));
  }
  if (options_.side == Side::kDialler) {
    state_ = State::kWord;
    return flush_below();
  }
  const int written = SSL_write(ssl_.get(), kWord.data(), static_cast<int>(kWord.size()));
  if (written != static_cast<int>(kWord.size())) return fail(words_of(written));
  flush_below();
  open();
}

void TlsStream::take_word() {
  char word = 0;
  ERR_clear_error();
  const int result = SSL_read(ssl_.get(), &word, 1);
  if (result == 1 && word == kWord[0]) return open();
  if (result == 1) return fail("it says another word than that we are let in");
  if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) fail(words_of(result));
}

void TlsStream::open() {
  strand_.cancel(std::exchange(timer_, {}));
  state_ = State::kOpen;
  in_.is_wanted = true;
  handler_ = std::exchange(opened_, nullptr)(base::Result<env::Connection*>(this));
  if (handler_ == nullptr) close();
}

void TlsStream::read_some() {
  while (state_ == State::kOpen && in_.is_wanted && !out_.is_last) {
    if (in_.begin == in_.end && SSL_has_pending(ssl_.get()) == 0) return;
    const std::span<char> room = handler_->read_buffer();
    if (room.empty()) return close();
    ERR_clear_error();
    const int wanted = static_cast<int>(std::min<size_t>(room.size(), kInputBytes));
    const int count = SSL_read(ssl_.get(), room.data(), wanted);
    if (count > 0) {
      handler_->on_bytes(static_cast<size_t>(count));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), count);
    if (error == SSL_ERROR_WANT_READ) return;
    // It said that it ends, or what came was not what was sent.
    return close();
  }
}

void TlsStream::set_reading(bool is_reading) {
  if (below_ == nullptr || state_ != State::kOpen) return;
  const bool was_reading = std::exchange(in_.is_wanted, is_reading);
  below_->set_reading(is_reading);
  if (!is_reading || was_reading) return;
  strand_.post([self = shared_from_this()] { self->progress(); });
}

bool TlsStream::on_end_of_input() {
  if (state_ == State::kOpen) return handler_->on_end_of_input();
  fail("the other end closed the connection (is it started without TLS?)");
  return false;
}

// ---- out ----

base::ByteView TlsStream::bytes_of(const Piece& piece) {
  if (const auto* own = std::get_if<base::Bytes>(&piece)) return *own;
  return *std::get<std::shared_ptr<const base::Bytes>>(piece);
}

void TlsStream::send(base::Bytes bytes) {
  if (state_ != State::kOpen || bytes.empty()) return;
  out_.plain_bytes += bytes.size();
  out_.queued.emplace_back(std::move(bytes));
  pump_later();
}

void TlsStream::send_shared(std::shared_ptr<const base::Bytes> bytes) {
  if (state_ != State::kOpen || bytes == nullptr || bytes->empty()) return;
  out_.plain_bytes += bytes->size();
  out_.queued.emplace_back(std::move(bytes));
  pump_later();
}

size_t TlsStream::unsent_bytes() const {
  return out_.plain_bytes + (below_ == nullptr ? 0 : below_->unsent_bytes());
}

// What one turn sends is encrypted together.
void TlsStream::pump_later() {
  if (std::exchange(out_.is_pump_set, true)) return;
  strand_.post([self = shared_from_this()] {
    self->out_.is_pump_set = false;
    self->pump();
  });
}

void TlsStream::pump() {
  if (state_ != State::kOpen || below_ == nullptr) return;
  while (!out_.queued.empty() && below_->unsent_bytes() + out_.encrypted.size() < kAheadBytesMax) {
    if (!encrypt_some()) return fail("what is sent cannot be encrypted");
  }
  const bool is_end = out_.is_last && out_.queued.empty();
  if (is_end) SSL_shutdown(ssl_.get());
  flush_below();
  if (is_end) below_->close_after_sending();
}

// One record at most. Small pieces are joined for it; large ones are read where they lie.
bool TlsStream::encrypt_some() {
  base::ByteView bytes = bytes_of(out_.queued.front()).substr(out_.front_sent);
  if (bytes.size() < kRecordBytes && out_.queued.size() > 1) {
    out_.joined.assign(bytes);
    for (size_t i = 1; i < out_.queued.size() && out_.joined.size() < kRecordBytes; ++i) {
      const base::ByteView next = bytes_of(out_.queued[i]);
      out_.joined.append(next.substr(0, kRecordBytes - out_.joined.size()));
    }
    bytes = out_.joined;
  }
  ERR_clear_error();
  const int count =
      SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min(bytes.size(), kRecordBytes)));
  if (count <= 0) return false;
  drop_sent(static_cast<size_t>(count));
  return true;
}

void TlsStream::drop_sent(size_t count) {
  ALF_CHECK(count <= out_.plain_bytes);
  out_.plain_bytes -= count;
  out_.front_sent += count;
  while (!out_.queued.empty()) {
    const size_t length = bytes_of(out_.queued.front()).size();
    if (out_.front_sent < length) return;
    out_.front_sent -= length;
    out_.queued.pop_front();
  }
}

void TlsStream::flush_below() {
  if (below_ != nullptr && !out_.encrypted.empty()) {
    below_->send(std::exchange(out_.encrypted, {}));
  }
}

void TlsStream::on_sent() {
  if (state_ != State::kOpen) return;
  if (!out_.queued.empty() || out_.is_last) return pump();
  handler_->on_sent();
}

// ---- the end ----

void TlsStream::close_after_sending() {
  if (state_ != State::kOpen) return;
  out_.is_last = true;
  pump_later();
}

void TlsStream::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (below_ != nullptr) below_->close();
}

void TlsStream::fail(const std::string& words) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  strand_.cancel(std::exchange(timer_, {}));
  flush_below();  // the alert that tells the other end
  if (below_ != nullptr) below_->close_after_sending();
  if (opened_ == nullptr) return;
  const auto handler = std::exchange(opened_, nullptr)(
      base::Error{base::ErrorCode::kUnavailable,
                  base::format("TLS with {}:{}: {}", peer_.host, peer_.port, words)});
  ALF_CHECK(handler == nullptr);
}

void TlsStream::on_closed() {
  below_ = nullptr;
  const std::shared_ptr<env::ConnectionHandler> handler = std::exchange(handler_, nullptr);
  if (handler == nullptr) return fail("the other end closed the connection");
  state_ = State::kClosed;
  handler->on_closed();
}

std::string TlsStream::words_of(int result) const {
  const long verdict = SSL_get_verify_result(ssl_.get());
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const bool is_tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
  const char* const text = ERR_reason_error_string(code);
  if (is_tls && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return "it shows no certificate";
  // The alerts of the other end, by their numbers in TLS.
  if (is_tls && reason > SSL_AD_REASON_OFFSET) {
    return base::format("it refuses our certificate, or us: {}", text == nullptr ? "" : text);
  }
  if (verdict != X509_V_OK) {
    const bool is_name =
        verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return base::format("its certificate is refused: {}{}{}",
                        X509_verify_cert_error_string(verdict), is_name ? ", expected " : "",
                        is_name ? options_.host : std::string());
  }
  if (text != nullptr) return text;
  return base::format("error {}", SSL_get_error(ssl_.get(), result));
}

}  // namespace alfheim::net
