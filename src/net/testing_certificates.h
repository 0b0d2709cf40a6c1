// net/testing_certificates: an authority and certificates of its making, as files, for tests.
//
// Thread: one. Lifetime: the files stay in the test's directory. Not for the product.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "net/tls_context.h"

namespace alfheim::net {

class TestingAuthority {
 public:
  static constexpr long kDayS = 24 * 60 * 60;
  struct Wish {
    std::string name = "n1";
    std::string alternatives = "IP:127.0.0.1";
    long begin_s = -kDayS;  // from now
    long end_s = kDayS;
  };

  explicit TestingAuthority(const std::string& name)
      : name_(name),
        key_(EVP_EC_gen("P-256")),
        certificate_(make({.name = name}, key_.get(), true)) {
    write(path("ca.pem"), certificate_.get());
  }

  // The files of a node that this authority vouches for.
  TlsFiles issue(const Wish& wish) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = make(wish, key.get(), false);
    const std::string stem = wish.name + "." + std::to_string(++issued_count_);
    const TlsFiles files{path(stem + ".pem"), path(stem + ".key"), path("ca.pem")};
    write(files.certificate, certificate.get());
    std::FILE* const file = std::fopen(files.key.c_str(), "w");
    EXPECT_EQ(PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
    std::fclose(file);
    return files;
  }
  std::string path(const std::string& file) const {
    return testing::TempDir() + name_ + "." + file;
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;

  Certificate make(const Wish& wish, EVP_PKEY* key, bool is_authority) {
    Certificate made(X509_new());
    X509* const certificate = made.get();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(certificate), wish.begin_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), wish.end_s);
    X509_set_pubkey(certificate, key);
    const auto* const text = reinterpret_cast<const unsigned char*>(wish.name.c_str());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, text, -1, -1,
                               0);
    X509* const issuer = is_authority ? certificate : certificate_.get();
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const auto add = [&](int kind, const std::string& value) {
      X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
      ASSERT_NE(extension, nullptr) << value;
      X509_add_ext(certificate, extension, -1);
      X509_EXTENSION_free(extension);
    };
    add(NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!is_authority) add(NID_subject_alt_name, wish.alternatives);
    EXPECT_GT(X509_sign(certificate, is_authority ? key : key_.get(), EVP_sha256()), 0);
    return made;
  }
  static void write(const std::string& path, X509* certificate) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr) << path;
    EXPECT_EQ(PEM_write_X509(file, certificate), 1);
    std::fclose(file);
  }

  const std::string name_;
  long serial_ = 0;
  int issued_count_ = 0;
  Key key_;
  Certificate certificate_;
};

}  // namespace alfheim::net
