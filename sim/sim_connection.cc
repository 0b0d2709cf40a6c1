#include "sim/sim_connection.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace alfheim::sim {

SimConnection::SimConnection(SimScheduler& scheduler, env::Strand& loop, SimPeer& client,
                             uint64_t seed, Options options)
    : scheduler_(scheduler), loop_(&loop), client_(&client), random_(seed), options_(options) {}

void SimConnection::start(std::shared_ptr<env::ConnectionHandler> handler) {
  handler_ = std::move(handler);
  if (handler_ == nullptr) return close();
  set_reading(true);
}

uint64_t SimConnection::arrival_ns(uint64_t& last_ns) {
  const uint64_t now_ns = scheduler_.now_ns();
  last_ns = std::max(last_ns, now_ns + random_.between(0, options_.latency_ns_max));
  return last_ns - now_ns;
}

size_t SimConnection::piece_of(size_t bytes) {
  if (!options_.cuts_bytes || bytes <= 1 || random_.coin()) return bytes;
  // Short pieces often: they cut requests and replies at every byte.
  const size_t most = random_.coin() ? std::min<size_t>(bytes, 16) : bytes;
  return random_.between(1, most);
}

void SimConnection::cut() {
  loop_ = nullptr;
  is_.is_closed = true;
  is_.is_flush_pending = false;
  handler_.reset();
  outbox_.clear();
  const bool loses_what_is_under_way = random_.coin();
  if (loses_what_is_under_way && client_ != nullptr) {
    SimPeer* client = std::exchange(client_, nullptr);
    return client->on_disconnected();
  }
  scheduler_.post_world(arrival_ns(last_to_client_ns_), [self = shared_from_this()] {
    if (SimPeer* client = std::exchange(self->client_, nullptr)) client->on_disconnected();
  });
}

// ---- the client's end ----

void SimConnection::client_send(base::Bytes bytes) {
  while (!bytes.empty()) {
    base::Bytes piece = bytes.substr(0, piece_of(bytes.size()));
    bytes.erase(0, piece.size());
    scheduler_.post_world(arrival_ns(last_to_server_ns_),
                          [self = shared_from_this(), piece = std::move(piece)] {
                            self->inbox_.append(piece);
                            self->on_readable();
                          });
  }
}

void SimConnection::client_close() {
  client_ = nullptr;
  client_end_input();
}

void SimConnection::client_end_input() {
  scheduler_.post_world(arrival_ns(last_to_server_ns_), [self = shared_from_this()] {
    self->is_.is_end_of_stream = true;
    self->on_readable();
  });
}

// ---- the server's end ----

void SimConnection::set_reading(bool is_reading) {
  if (is_.has_ended) return;
  is_.is_reading = is_reading;
  on_readable();
}

bool SimConnection::is_readable() const {
  if (!is_.is_reading || is_.is_closing || is_.is_closed || handler_ == nullptr) return false;
  return !inbox_.empty() || is_.is_end_of_stream;
}

void SimConnection::on_readable() {
  if (loop_ == nullptr || !is_readable()) return;
  loop_->post([self = shared_from_this()] {
    // Another of these may have read what this one was posted for.
    if (!self->is_readable()) return;
    if (self->inbox_.empty()) return self->end_input();
    // As net does: the buffer is asked for when bytes are there.
    const std::span<char> buffer = self->handler_->read_buffer();
    if (buffer.empty()) return self->close();
    const size_t count = self->piece_of(std::min(self->inbox_.size(), buffer.size()));
    std::copy_n(self->inbox_.begin(), count, buffer.begin());
    self->inbox_.erase(0, count);
    self->handler_->on_bytes(count);
    self->on_readable();
  });
}

void SimConnection::end_input() {
  is_.has_ended = true;
  is_.is_reading = false;
  if (!handler_->on_end_of_input()) close_after_sending();
}

void SimConnection::send(base::Bytes bytes) {
  if (is_.is_closed || bytes.empty()) return;
  unsent_bytes_ += bytes.size();
  outbox_.append(bytes);
  if (std::exchange(is_.is_flush_pending, true)) return;
  loop_->post([self = shared_from_this()] { self->flush(); });
}

void SimConnection::flush() {
  if (loop_ == nullptr) return;
  if (is_.is_closed) {
    is_.is_flush_pending = false;
    return finish();
  }
  base::Bytes bytes = std::exchange(outbox_, {});
  const size_t count = bytes.size();
  while (!bytes.empty()) {
    base::Bytes piece = bytes.substr(0, piece_of(bytes.size()));
    bytes.erase(0, piece.size());
    scheduler_.post_world(arrival_ns(last_to_client_ns_),
                          [self = shared_from_this(), piece = std::move(piece)] {
                            if (self->client_ != nullptr) self->client_->on_bytes(piece);
                          });
  }
  scheduler_.post_world(arrival_ns(last_to_client_ns_), [self = shared_from_this(), count] {
    self->unsent_bytes_ -= count;
    if (self->loop_ != nullptr) {
      self->loop_->post([self] { self->on_flushed(); });
    }
  });
}

void SimConnection::on_flushed() {
  is_.is_flush_pending = false;
  if (is_.is_closed) return finish();
  if (!outbox_.empty()) {
    is_.is_flush_pending = true;
    return flush();
  }
  if (is_.is_closing) return close();
  handler_->on_sent();
}

void SimConnection::close_after_sending() {
  if (is_.is_closed) return;
  is_.is_closing = true;
  if (!is_.is_flush_pending) close();
}

void SimConnection::close() {
  if (is_.is_closed) return;
  is_.is_closed = true;
  scheduler_.post_world(arrival_ns(last_to_client_ns_), [self = shared_from_this()] {
    if (SimPeer* client = std::exchange(self->client_, nullptr)) client->on_disconnected();
  });
  if (loop_ == nullptr) return;
  loop_->post([self = shared_from_this()] { self->finish(); });
}

void SimConnection::finish() {
  if (is_.is_flush_pending || handler_ == nullptr) return;
  const std::shared_ptr<env::ConnectionHandler> handler = std::move(handler_);
  handler_ = nullptr;
  handler->on_closed();
}

}  // namespace alfheim::sim
