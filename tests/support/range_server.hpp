#pragma once
/// A server of one file on this machine, for programs that read ranges.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace plumb::test {

/// Answers by path: /file with ranges, /moved with a redirect to it, /whole with the file for every range, /silent
/// with nothing, /page with a page of HTML, /wrong with another range, /loop with a redirect to itself; others with
/// status 404. Connections are served one after the other.
class RangeServer {
 public:
  /// `size`: what it says of the length of the file, of which it has the beginning.
  RangeServer(std::string file, std::uint64_t size) : file_(std::move(file)), size_(size) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (socket_ < 0 || ::bind(socket_, any, length) != 0 || ::listen(socket_, 8) != 0 ||
        ::getsockname(socket_, any, &length) != 0)
      throw std::runtime_error("no server on this machine");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RangeServer() {
    done_ = true;
    thread_.join();
    ::close(socket_);
  }
  RangeServer(const RangeServer&) = delete;
  RangeServer& operator=(const RangeServer&) = delete;

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  /// Bytes of bodies that were sent.
  std::uint64_t sent() const { return sent_; }

 private:
  bool readable(int fd) const {
    while (!done_) {
      pollfd ready{fd, POLLIN, 0};
      if (::poll(&ready, 1, 50) > 0) return true;
    }
    return false;
  }
  void serve() {
    while (readable(socket_)) {
      const int client = ::accept(socket_, nullptr, nullptr);
      if (client < 0) continue;
      std::string request;
      char buffer[4096];
      while (readable(client)) {
        const ssize_t got = ::recv(client, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        request.append(buffer, static_cast<std::size_t>(got));
        if (request.find("\r\n\r\n") == std::string::npos) continue;
        if (!answer(client, request)) break;
        request.clear();
      }
      ::close(client);
    }
  }
  bool answer(int client, const std::string& request) {
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    std::size_t first = 0, last = file_.size() - 1;
    if (const std::size_t range = request.find("Range: bytes="); range != std::string::npos) {
      first = std::strtoull(request.c_str() + range + 13, nullptr, 10);
      last = std::strtoull(request.c_str() + request.find('-', range) + 1, nullptr, 10);
    }
    last = std::min(last, file_.size() - 1);
    if (path == "/silent") {
      readable_until_done();
      return false;
    }
    if (path == "/moved") return send(client, "302 Found", "Location: /file?signed=1\r\n", "");
    if (path == "/loop") return send(client, "302 Found", "Location: /loop\r\n", "");
    if (path == "/page") return send(client, "200 OK", "Content-Type: text/html\r\n", "<!DOCTYPE html><html></html>");
    if (path == "/whole") return send(client, "200 OK", "", file_);
    if (path == "/wrong") return send(client, "206 Partial Content", content_range(first + 7, last), part(first, last));
    if (path.substr(0, path.find('?')) != "/file") return send(client, "404 Not Found", "", "no such file");
    if (first >= file_.size()) return send(client, "416 Range Not Satisfiable", "", "");
    return send(client, "206 Partial Content", content_range(first, last), part(first, last));
  }
  void readable_until_done() const {
    while (!done_) ::poll(nullptr, 0, 50);
  }
  std::string part(std::size_t first, std::size_t last) const { return file_.substr(first, last - first + 1); }
  std::string content_range(std::size_t first, std::size_t last) const {
    return "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" + std::to_string(size_) +
           "\r\n";
  }
  bool send(int client, const std::string& status, const std::string& more, const std::string& body) {
    const std::string text =
        "HTTP/1.1 " + status + "\r\n" + more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t sent = ::send(client, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      done += static_cast<std::size_t>(sent);
    }
    sent_ += body.size();
    return true;
  }

  std::string file_;
  std::uint64_t size_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> done_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::thread thread_;
};

}  // namespace plumb::test
