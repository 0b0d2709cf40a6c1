// env/posix/posix_thread: the one place where threads are made.
//
// Names the thread (15 characters are kept), and turns "no more threads" into an Error. The
// signal mask is the caller's: block signals before making threads.
//
// Thread: any. Lifetime: whoever gets the thread joins it.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/result.h"

namespace alfheim::env {

base::Result<std::thread> start_thread(const std::string& name, std::function<void()> body);

}  // namespace alfheim::env
