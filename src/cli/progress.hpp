#pragma once
/// One line on stderr that says how far a long command is.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string_view>

#include "say.hpp"

namespace plumb::cli {

/// Written over with every step and wiped at the end. Silent unless `on`: by default where stderr is a terminal.
class Progress {
 public:
  explicit Progress(bool on = ::isatty(STDERR_FILENO) == 1) : on_(on) {}
  ~Progress() {
    if (shown_) say("\r\x1b[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(double fraction, std::string_view what) {
    if (!on_) return;
    shown_ = true;
    say("\r\x1b[K{:3.0f}% {}", 100 * fraction, what);
    std::fflush(stderr);
  }
  /// For the library's progress callbacks; must not outlive this.
  std::function<void(double, std::string_view)> callback() {
    return [this](double fraction, std::string_view what) { show(fraction, what); };
  }

 private:
  bool on_;
  bool shown_ = false;
};

}  // namespace plumb::cli
