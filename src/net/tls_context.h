// net/tls_context: who this node is to its peers under TLS, and whose word it takes: the files
// read.
//
// One certificate with its key, shown to whoever we dial and to whoever dials us, and the authority
// that must have signed the other's. TLS 1.3 only: both ends are ours. Files are read once.
//
// Thread: any, once loaded. Lifetime: shared by the streams that are made of it.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

struct ssl_ctx_st;
struct bio_method_st;

namespace alfheim::net {

// How a connection under TLS begins: a handshake record of version 3.
inline constexpr base::ByteView kTlsFirstBytes("\x16\x03", 2);

// All in PEM.
struct TlsFiles {
  std::string certificate;  // with those between it and the authority behind it, if any
  std::string key;          // not encrypted
  std::string authority;    // one or more, of which one must have signed a peer's certificate
};

class TlsContext {
 public:
  // kInvalidArgument: a file that cannot be read, is not what it should be, or a key that is not
  // the certificate's. The message names it.
  static base::Result<std::shared_ptr<const TlsContext>> load(const TlsFiles& files);

  ssl_ctx_st* get() const { return context_.get(); }
  // How OpenSSL reads and writes the bytes of a TlsStream.
  const bio_method_st* stream_bytes() const { return stream_bytes_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
    void operator()(bio_method_st* method) const;
  };
  TlsContext() = default;
  base::Status open();
  base::Status read(const TlsFiles& files);

  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::unique_ptr<bio_method_st, Free> stream_bytes_;
};

}  // namespace alfheim::net
