#include "sim/apart.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace alfheim::sim {

pid_t start_apart(absl::FunctionRef<void()> part) {
  std::fflush(stdout);  // else the child has it, too
  const pid_t child = fork();
  ALF_CHECK_MSG(child >= 0, "fork");
  if (child > 0) return child;
  std::signal(SIGABRT, SIG_DFL);
  std::signal(SIGSEGV, SIG_DFL);
  part();
  std::fflush(stdout);
  _exit(0);
}

int run_apart(absl::FunctionRef<void()> part) {
  const pid_t child = start_apart(part);
  int status = 0;
  ALF_CHECK(waitpid(child, &status, 0) == child);
  return status;
}

bool has_ended_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

}  // namespace alfheim::sim
