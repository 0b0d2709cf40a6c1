#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/format.h"
#include "net/tls_stream.h"

namespace alfheim::net {
namespace {

base::Error bad_file(std::string_view what, const std::string& path, std::string_view why) {
  return base::Error{base::ErrorCode::kInvalidArgument, base::format("{} {}: {}", what, path, why)};
}

// The oldest of the thread's errors says most; the rest is forgotten with it.
std::string take_words() {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  const char* const words = ERR_reason_error_string(code);
  return words == nullptr ? "no reason given" : words;
}

base::Status check_readable(std::string_view what, const std::string& path) {
  if (::access(path.c_str(), R_OK) == 0) return base::ok();
  return bad_file(what, path, std::strerror(errno));
}

// Else OpenSSL would ask on the terminal.
int refuse_password(char*, int, int, void*) { return 0; }

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void TlsContext::Free::operator()(bio_method_st* method) const { BIO_meth_free(method); }

base::Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
  auto context = std::shared_ptr<TlsContext>(new TlsContext());
  ALF_TRY_STATUS(context->open());
  ALF_TRY_STATUS(context->read(files));
  return std::shared_ptr<const TlsContext>(std::move(context));
}

base::Status TlsContext::open() {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_method()));
  stream_bytes_.reset(TlsStream::make_bytes());
  if (context_ == nullptr || stream_bytes_ == nullptr ||
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION) != 1) {
    return base::Error{base::ErrorCode::kIo, base::format("start TLS: {}", take_words())};
  }
  // Both sides show who they are. Nothing is resumed: a link lasts, and each proves itself anew.
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context_.get(), 0);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context_.get(), refuse_password);
  return base::ok();
}

base::Status TlsContext::read(const TlsFiles& files) {
  ALF_TRY_STATUS(check_readable("certificate", files.certificate));
  ALF_TRY_STATUS(check_readable("key", files.key));
  ALF_TRY_STATUS(check_readable("authority", files.authority));
  if (SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()) != 1) {
    return bad_file("certificate", files.certificate,
                    base::format("no certificate in PEM ({})", take_words()));
  }
  // Where there is a certificate already, OpenSSL compares the two by itself.
  if (SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool is_other = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
                          ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH;
    const std::string words = take_words();
    if (is_other) {
      return bad_file("key", files.key,
                      base::format("it is not the key of the certificate {}", files.certificate));
    }
    return bad_file("key", files.key,
                    base::format("no private key in PEM, or an encrypted one ({})", words));
  }
  if (SSL_CTX_load_verify_file(context_.get(), files.authority.c_str()) != 1) {
    return bad_file("authority", files.authority,
                    base::format("no certificate in PEM ({})", take_words()));
  }
  return base::ok();
}

}  // namespace alfheim::net
