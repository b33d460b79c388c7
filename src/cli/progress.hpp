#pragma once
/// One line on stderr that says how far a long command is, and how long it will still take.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace plumb::cli {

/// When progress is shown.
enum class ShowProgress {
  on_terminal,  ///< where stderr is a terminal
  always,       ///< elsewhere too, a line for each step
  never,
};

/// On a terminal one line, written over with every step, wiped at the end and before anything else is printed (put,
/// say). One at a time.
class Progress {
 public:
  explicit Progress(ShowProgress when = ShowProgress::on_terminal);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `fraction`: what is done, 0 to 1; when it falls, another piece of work has begun.
  void show(double fraction, std::string_view what);
  /// For the library's progress callbacks; must not outlive this.
  std::function<void(double, std::string_view)> callback() {
    return [this](double fraction, std::string_view what) { show(fraction, what); };
  }

 private:
  using Clock = std::chrono::steady_clock;

  bool on_, terminal_;
  Clock::time_point start_, shown_;
  double first_ = 0, last_ = 2;  // fractions at `start_` and now; 2: nothing was shown
  std::string line_;
};

/// "12 s left", "3 min left"; empty while nobody can tell. `seconds` took the part from `first` to `now`.
std::string time_left(double first, double now, double seconds);

}  // namespace plumb::cli
