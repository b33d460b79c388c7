#include "interrupt.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

namespace plumb::cli {
namespace {

int interrupt_pipe = -1;  // what the handler writes to: all that a handler may do

void tell(int) {
  const int saved = errno;
  const char byte = 1;
  (void)!::write(interrupt_pipe, &byte, 1);
  errno = saved;
}

}  // namespace

/// Waits at the other end of a pipe, since a handler may not ask for a stop itself.
struct Interrupt::Watcher {
  std::array<int, 2> ends{-1, -1};
  struct sigaction before {};
  std::thread thread;
};

Interrupt::Interrupt() : watcher_(std::make_unique<Watcher>()) {
  struct sigaction now {};
  if (::sigaction(SIGINT, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) return;  // as shells start background jobs
  if (::pipe2(watcher_->ends.data(), O_CLOEXEC) != 0) return;  // Ctrl-C then ends the program as usual
  interrupt_pipe = watcher_->ends[1];
  // The watcher must not be the thread that the signal interrupts, nor must it end with it.
  sigset_t one, mask;
  sigemptyset(&one);
  sigaddset(&one, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &one, &mask);
  watcher_->thread = std::thread([this, end = watcher_->ends[0]] {
    char byte = 0;
    while (::read(end, &byte, 1) == 1) source_.request_stop();
  });
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  struct sigaction action {};
  action.sa_handler = tell;
  action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
  ::sigaction(SIGINT, &action, &watcher_->before);
}

Interrupt::~Interrupt() {
  if (!watcher_->thread.joinable()) return;
  ::sigaction(SIGINT, &watcher_->before, nullptr);
  ::close(watcher_->ends[1]);
  watcher_->thread.join();
  ::close(watcher_->ends[0]);
}

}  // namespace plumb::cli
