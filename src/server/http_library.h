// server/http_library: cpp-httplib as Debian built it. Include this, never httplib.h alone.
//
// Debian ships the library compiled, with these three on; OpenSSL's changes the size of its
// classes. A file compiled without them links, and then destroys a Server that is not the one
// it made: free() of an invalid pointer at the first stop.
//
// Thread: none; declarations.
#pragma once

#ifndef CPPHTTPLIB_OPENSSL_SUPPORT
#define CPPHTTPLIB_OPENSSL_SUPPORT
#endif
#ifndef CPPHTTPLIB_ZLIB_SUPPORT
#define CPPHTTPLIB_ZLIB_SUPPORT
#endif
#ifndef CPPHTTPLIB_BROTLI_SUPPORT
#define CPPHTTPLIB_BROTLI_SUPPORT
#endif
#include <httplib.h>
