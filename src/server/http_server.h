// server/http_server: what people and monitors ask by HTTP.
//
// /metrics (Prometheus text), /health (200 while the node serves, else 503), /leader (200 on
// the leader, else 503), / (a small page for a browser). Only reads; every figure is taken at
// the moment of the request.
//
// bind() takes the port, so that a used one is known before anything is opened; serve() starts
// to answer. Thread: its own few threads, made by the executor, which also ends them.
// Lifetime: services outlive the executor's stop(), the server too.
#pragma once

#include <memory>

#include "base/result.h"
#include "env/network.h"
#include "env/posix/posix_executor.h"
#include "server/services.h"

namespace alfheim::server {

class HttpServer {
 public:
  // kInvalidArgument or kIo with one line that names the address.
  static base::Result<std::unique_ptr<HttpServer>> bind(const env::PeerAddress& address);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  env::PeerAddress local_address() const;  // with the port that was really taken
  // Answers from now on, until the executor stops. Once.
  base::Status serve(env::PosixExecutor& executor, const Services& services);

 private:
  struct Parts;
  explicit HttpServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace alfheim::server
