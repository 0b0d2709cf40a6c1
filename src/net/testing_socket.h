// net/testing_socket: a blocking client socket whose every wait is bounded, for tests.
//
// Thread: one. Not for the product.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"

namespace alfheim::net {

class TestingSocket {
 public:
  static constexpr int kPatienceMs = 10'000;

  explicit TestingSocket(uint16_t port) : TestingSocket(port, ::socket(AF_INET, SOCK_STREAM, 0)) {}
  // Connects this one, whose options somebody has set.
  TestingSocket(uint16_t port, int socket) : socket_(socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~TestingSocket() { ::close(socket_); }
  TestingSocket(const TestingSocket&) = delete;
  TestingSocket& operator=(const TestingSocket&) = delete;

  void send(base::ByteView bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(count, 0);
      bytes.remove_prefix(static_cast<size_t>(count));
    }
  }
  // Closing says so at once, with a reset.
  void reset() {
    const linger none{1, 0};
    ASSERT_EQ(::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
  }
  void end_input() { ASSERT_EQ(::shutdown(socket_, SHUT_WR), 0); }
  // Exactly so many bytes, or as many as come before the stream ends.
  base::Bytes receive(size_t bytes_max) {
    base::Bytes result;
    char buffer[64 * 1024];
    while (result.size() < bytes_max) {
      pollfd ready{socket_, POLLIN, 0};
      if (::poll(&ready, 1, kPatienceMs) != 1) {
        ADD_FAILURE() << "nothing came";
        return result;
      }
      const ssize_t count =
          ::recv(socket_, buffer, std::min(sizeof(buffer), bytes_max - result.size()), 0);
      if (count <= 0) break;
      result.append(buffer, static_cast<size_t>(count));
    }
    return result;
  }
  base::Bytes receive_all() { return receive(SIZE_MAX); }

 private:
  int socket_;
};

}  // namespace alfheim::net
