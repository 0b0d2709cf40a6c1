#include "net/readiness.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "base/check.h"

namespace alfheim::net {
namespace {

// Streams that have their turn before the loop does something else, if they are not long about it;
// the clock is looked at after some. The kernel names those first that it did not name last.
constexpr size_t kStreamsPerTurn = 128;
constexpr size_t kStreamsPerLookMin = 4;
constexpr size_t kStreamsPerLookMax = 16;

}  // namespace

asio::error_code Readiness::open() {
  ALF_CHECK(!set_.is_open());
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) return {errno, std::system_category()};
  asio::error_code error;
  set_.assign(descriptor, error);
  ALF_CHECK(!error);  // a descriptor of our own
  wait();
  return {};
}

bool Readiness::add(int descriptor, Watcher& watcher) {
  ALF_CHECK(set_.is_open());
  epoll_event event{};
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Readiness::ask_for(int descriptor, Watcher& watcher, bool read, bool write) {
  epoll_event event{};
  event.events = (read ? uint32_t{EPOLLIN} : 0) | (write ? uint32_t{EPOLLOUT} : 0);
  event.data.ptr = &watcher;
  const int changed = ::epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, descriptor, &event);
  ALF_CHECK_MSG(changed == 0, "a stream that was added and is open");
}

void Readiness::wait() {
  set_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const asio::error_code& error) {
    if (error) return;  // the loop goes
    tell();
    wait();
  });
}

void Readiness::tell() {
  meter_.begin_turn();
  for (size_t told = 0; told < kStreamsPerTurn;) {
    const size_t count = tell_some();
    told += count;
    const bool is_over = meter_.is_turn_over();
    // Those that are long about it now will be so in the next turn.
    if (is_over) streams_per_look_ = std::max(streams_per_look_ / 2, kStreamsPerLookMin);
    if (is_over || count < streams_per_look_) return;
    streams_per_look_ = std::min(streams_per_look_ * 2, kStreamsPerLookMax);
  }
}

size_t Readiness::tell_some() {
  std::array<epoll_event, kStreamsPerLookMax> events;
  const int count =
      ::epoll_wait(set_.native_handle(), events.data(), static_cast<int>(streams_per_look_), 0);
  ALF_CHECK(count >= 0 || errno == EINTR);
  for (int i = 0; i < count; ++i) {
    const uint32_t found = events[static_cast<size_t>(i)].events;
    static_cast<Watcher*>(events[static_cast<size_t>(i)].data.ptr)
        ->on_ready(Events{.can_read = (found & EPOLLIN) != 0,
                          .can_write = (found & EPOLLOUT) != 0,
                          .is_broken = (found & (EPOLLERR | EPOLLHUP)) != 0});
  }
  return count > 0 ? static_cast<size_t>(count) : 0;
}

}  // namespace alfheim::net
