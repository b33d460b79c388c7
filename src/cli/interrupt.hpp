#pragma once
/// Ctrl-C as a stop token.

#include <memory>
#include <stdexcept>
#include <stop_token>

namespace plumb::cli {

/// What a command throws when Ctrl-C has ended it before its end. Ends the program with exit code 130, in silence if
/// there is no message.
struct Interrupted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// While one exists, the first SIGINT asks for a stop instead of ending the program; the second ends it as usual. A
/// program that was started to ignore SIGINT goes on ignoring it. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool happened() const { return source_.stop_requested(); }

 private:
  struct Watcher;
  std::stop_source source_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace plumb::cli
