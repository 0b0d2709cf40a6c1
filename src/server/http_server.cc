#include "server/http_server.h"

#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/format.h"
#include "server/http_library.h"
#include "server/http_pages.h"
#include "server/options.h"

namespace alfheim::server {
namespace {

using base::Error;
using base::ErrorCode;
using base::Result;
using base::Status;

constexpr size_t kWorkerCount = 2;
constexpr size_t kWaitingCountMax = 64;
constexpr int kTimeoutSeconds = 2;
constexpr int kKeepAliveSeconds = 1;
constexpr int kIdleMicroseconds = 200'000;
constexpr size_t kRequestBytesMax = 64 * 1024;

// Connections between the thread that accepts and those that answer.
class WaitingLine {
 public:
  // Waits while the line is full: then no more connections are accepted.
  void push(std::function<void()> task) {
    std::unique_lock lock(mutex_);
    has_changed_.wait(lock, [this] { return is_closed_ || tasks_.size() < kWaitingCountMax; });
    if (is_closed_) return;
    tasks_.push_back(std::move(task));
    has_changed_.notify_all();
  }
  // Runs tasks until the line is closed.
  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      has_changed_.wait(lock, [this] { return is_closed_ || !tasks_.empty(); });
      if (is_closed_) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      has_changed_.notify_all();
      lock.unlock();
      task();
    }
  }
  void close() {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    has_changed_.notify_all();
  }
  bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return is_closed_;
  }

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable has_changed_;
  std::deque<std::function<void()>> tasks_;
  bool is_closed_ = false;
};

// What httplib takes for its thread pool. Its server deletes it.
class LineQueue final : public httplib::TaskQueue {
 public:
  LineQueue(WaitingLine& line, httplib::Server& server) : line_(line), server_(server) {}
  void enqueue(std::function<void()> task) override { line_.push(std::move(task)); }
  void shutdown() override { line_.close(); }
  // A stop() that came before the server was running did nothing: here it is made good.
  void on_idle() override {
    if (line_.is_closed()) server_.stop();
  }

 private:
  WaitingLine& line_;
  httplib::Server& server_;
};

void give(httplib::Response& response, HttpPage page) {
  response.status = page.status;
  response.set_header("Cache-Control", "no-store");
  response.set_content(page.body, page.content_type.c_str());
}

}  // namespace

struct HttpServer::Parts {
  httplib::Server server;
  WaitingLine line;
  env::PeerAddress address;
  bool is_serving = false;
};

HttpServer::HttpServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::bind(const env::PeerAddress& address) {
  auto parts = std::make_unique<Parts>();
  httplib::Server& server = parts->server;
  // The library's own default would let two nodes listen at one port.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_read_timeout(kTimeoutSeconds, 0);
  server.set_write_timeout(kTimeoutSeconds, 0);
  server.set_keep_alive_timeout(kKeepAliveSeconds);
  server.set_keep_alive_max_count(1);  // a connection held open would hold a worker
  server.set_idle_interval(0, kIdleMicroseconds);
  server.set_payload_max_length(kRequestBytesMax);
  parts->address = address;
  errno = 0;
  if (address.port == 0) {
    const int port = server.bind_to_any_port(address.host);
    parts->address.port = port > 0 ? static_cast<uint16_t>(port) : 0;
  } else if (!server.bind_to_port(address.host, address.port)) {
    parts->address.port = 0;
  }
  if (parts->address.port == 0) {
    const int found = errno;
    return Error{
        ErrorCode::kIo,
        base::format("listen for HTTP at {}: {} (--http-addr chooses another address)",
                     address_text(address), found == 0 ? "no such address" : std::strerror(found))};
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(parts)));
}

env::PeerAddress HttpServer::local_address() const { return parts_->address; }

Status HttpServer::serve(env::PosixExecutor& executor, const Services& services) {
  ALF_CHECK(!parts_->is_serving);
  parts_->is_serving = true;
  httplib::Server& server = parts_->server;
  WaitingLine& line = parts_->line;
  const auto offer = [&server, &services](const char* path, HttpPage (*page)(const Services&)) {
    server.Get(path, [&services, page](const httplib::Request&, httplib::Response& response) {
      give(response, page(services));
    });
  };
  offer("/metrics", metrics_page);
  offer("/health", health_page);
  offer("/leader", leader_page);
  offer("/", console_page);
  server.new_task_queue = [&line, &server] { return new LineQueue(line, server); };
  for (size_t i = 0; i < kWorkerCount; ++i) {
    ALF_TRY_STATUS(executor.run_loop(
        base::format("http{}", i), [&line] { line.work(); }, [&line] { line.close(); }));
  }
  return executor.run_loop(
      "http", [&server] { server.listen_after_bind(); },
      [&line, &server] {
        line.close();
        server.stop();
      });
}

}  // namespace alfheim::server
