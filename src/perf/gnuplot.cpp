#include "gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plumb/core/printable.hpp"

extern char** environ;

namespace plumb::inline PLUMB_ABI {
namespace {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return ::lseek(fd, 0, SEEK_SET) == 0;
}

std::string read_all(int fd) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

/// Starts gnuplot with these descriptors; its process id, or 0 and the reason.
pid_t start(int in, int out, int err, std::string& reason) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  char program[] = "gnuplot", defaults[] = "-d";  // -d: not the user's own start-up file
  char* arguments[] = {program, defaults, nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return child;
  reason =
      error == ENOENT ? "gnuplot is not installed" : "gnuplot does not start: " + std::string(std::strerror(error));
  return 0;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// The <svg> element, with ids (and what refers to them) that start with `name`.
std::string inline_svg(std::string svg, std::string_view name) {
  const std::size_t begin = svg.find("<svg"), end = svg.rfind("</svg>");
  if (begin == std::string::npos || end == std::string::npos) return "";
  svg = svg.substr(begin, end + 6 - begin);
  const std::string prefix(name);
  replace_all(svg, " id=\"", " id=\"" + prefix);
  replace_all(svg, " id='", " id='" + prefix);
  replace_all(svg, "href='#", "href='#" + prefix);
  replace_all(svg, "href=\"#", "href=\"#" + prefix);
  replace_all(svg, "url(#", "url(#" + prefix);
  return svg;
}

}  // namespace

Picture run_gnuplot(const std::string& script, std::string_view name) {
  Picture picture;
  // The script waits in memory as a file, so that neither side can block the other.
  const Descriptor in(::memfd_create("plumb-script", MFD_CLOEXEC)), err(::memfd_create("plumb-errors", MFD_CLOEXEC));
  int ends[2] = {-1, -1};
  if (in.get() < 0 || err.get() < 0 || !write_all(in.get(), script) || ::pipe2(ends, O_CLOEXEC) != 0) {
    picture.error = "no pipe to gnuplot: " + std::string(std::strerror(errno));
    return picture;
  }
  const Descriptor out(ends[0]);
  Descriptor child_out(ends[1]);
  const pid_t child = start(in.get(), child_out.get(), err.get(), picture.error);
  child_out.close();
  if (child == 0) return picture;
  const std::string svg = read_all(out.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) picture.svg = inline_svg(svg, name);
  if (picture.svg.empty()) {
    ::lseek(err.get(), 0, SEEK_SET);
    picture.error = "gnuplot made no picture: " + printable(read_all(err.get()));
  }
  return picture;
}

std::string gnuplot_quote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : printable(text)) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  return out;
}

}  // namespace plumb
