// The sanitizers' canary: one bug on purpose for each thing that they must see.
//
//   sanitizer_canary 0|1|2
//
// Under ASan and UBSan: 0 reads freed memory, 1 overflows, 2 leaks. Under TSan: 0 is a data race,
// 1 two locks in two orders. scripts/sanitized fails where one of them goes unseen. Nothing of this
// is linked into anything else.
#include <climits>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace {

#ifdef __SANITIZE_THREAD__
int race() {
  int value = 0;
  std::thread other([&value] { ++value; });
  ++value;
  other.join();
  return value;
}

int two_orders() {
  std::mutex a;
  std::mutex b;
  const auto lock_both = [](std::mutex& first, std::mutex& second) {
    const std::scoped_lock outer(first);
    const std::scoped_lock inner(second);
  };
  std::thread(lock_both, std::ref(a), std::ref(b)).join();
  std::thread(lock_both, std::ref(b), std::ref(a)).join();
  return 0;
}

int run(int bug) { return bug == 0 ? race() : two_orders(); }
#else
int use_after_free() {
  volatile int* value = new int(1);
  delete value;
  return *value;
}

int overflow() {
  volatile int value = INT_MAX;
  return value + 1;
}

int leak() {
  volatile char* memory = static_cast<char*>(std::malloc(100));
  memory[0] = 1;
  memory = nullptr;
  return 0;
}

int run(int bug) {
  if (bug == 0) return use_after_free();
  return bug == 1 ? overflow() : leak();
}
#endif

}  // namespace

int main(int count, char** arguments) { return count == 2 ? run(std::atoi(arguments[1])) : 0; }
