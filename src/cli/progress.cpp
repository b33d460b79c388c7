#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "say.hpp"

namespace plumb::cli {
namespace {

bool line_stands = false;  // of progress, on the terminal

/// Characters in a line of the terminal; a longer line of progress could not be wiped.
std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void wipe_progress() {
  if (!line_stands) return;
  line_stands = false;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
}

std::string time_left(double first, double now, double seconds) {
  constexpr double kEnough = 1;  // second of work, before which a guess is none
  if (seconds < kEnough || now - first < 0.01 || now >= 1) return {};
  const double left = seconds * (1 - now) / (now - first);
  if (left < 90) return fmt::format("{:.0f} s left", std::max(1.0, std::ceil(left)));
  if (left < 5400) return fmt::format("{:.0f} min left", std::ceil(left / 60));
  return fmt::format("{:.1f} h left", left / 3600);
}

Progress::Progress(ShowProgress when)
    : on_(when != ShowProgress::never), terminal_(::isatty(STDERR_FILENO) == 1), start_(Clock::now()) {
  if (when == ShowProgress::on_terminal && !terminal_) on_ = false;
}

Progress::~Progress() { wipe_progress(); }

void Progress::show(double fraction, std::string_view what) {
  if (!on_) return;
  const Clock::time_point now = Clock::now();
  if (fraction < last_) {
    start_ = now;
    first_ = fraction;
  }
  last_ = fraction;
  const std::string left = time_left(first_, fraction, std::chrono::duration<double>(now - start_).count());
  const std::string line =
      fmt::format("{:3.0f}% {}{}{}", 100 * std::clamp(fraction, 0.0, 1.0), what, left.empty() ? "" : ", ", left);
  if (!terminal_) {
    if (line != line_) say("{}\n", line);
    line_ = line;
    return;
  }
  constexpr auto kSteady = std::chrono::milliseconds(50);  // nobody reads faster
  if (line_stands && now - shown_ < kSteady) return;
  shown_ = now;
  // The cursor goes back to the beginning of the line, so that nothing starts behind it.
  std::fputs(("\r\x1b[K" + line.substr(0, columns() - 1) + "\r").c_str(), stderr);
  std::fflush(stderr);
  line_stands = true;
}

}  // namespace plumb::cli
