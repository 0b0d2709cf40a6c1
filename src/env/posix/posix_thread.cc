#include "env/posix/posix_thread.h"

#include <fmt/format.h>
#include <pthread.h>

#include <system_error>

#include "base/check.h"

namespace alfheim::env {
namespace {

constexpr size_t kThreadNameLengthMax = 15;  // pthread_setname_np(3)

}  // namespace

base::Result<std::thread> start_thread(const std::string& name, std::function<void()> body) {
  ALF_CHECK(body != nullptr);
  try {
    return std::thread([short_name = name.substr(0, kThreadNameLengthMax), run = std::move(body)] {
      // Only for whoever looks at the process: a thread without a name runs as well.
      static_cast<void>(pthread_setname_np(pthread_self(), short_name.c_str()));
      run();
    });
  } catch (const std::system_error& error) {
    return base::Error{base::ErrorCode::kLimit,
                       fmt::format("start thread {}: {}", name, error.what())};
  }
}

}  // namespace alfheim::env
