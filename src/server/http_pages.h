// server/http_pages: what the HTTP server says, as texts.
//
// Thread: any. Lifetime: of one call.
#pragma once

#include <string>

#include "server/services.h"

namespace alfheim::server {

struct HttpPage {
  int status = 200;
  std::string content_type;
  std::string body;
};

// Prometheus's text format, version 0.0.4.
HttpPage metrics_page(const Services& services);
// 200 while the node serves clients, else 503.
HttpPage health_page(const Services& services);
// 200 with the clients' address on the leader, else 503: for load balancers.
HttpPage leader_page(const Services& services);
// For people: one table, which asks for itself again.
HttpPage console_page(const Services& services);

}  // namespace alfheim::server
