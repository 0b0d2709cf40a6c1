#include "server/options.h"

#include "base/check.h"
#include "base/format.h"

namespace alfheim::server {

std::string address_text(const env::PeerAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return is_v6 ? base::format("[{}]:{}", address.host, address.port)
               : base::format("{}:{}", address.host, address.port);
}

std::string_view log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  ALF_CHECK(false);
  return {};
}

}  // namespace alfheim::server
