#include "http.hpp"

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

#ifndef PLUMB_CURL

namespace plumb::cli {

RangeReader open_http(const std::string& url, int) {
  throw Error(ErrorCode::io, printable(url) +
                                 ": this plumb was built without libcurl and reads files of this machine only; "
                                 "download the file, or build where CMake finds libcurl "
                                 "(Debian: libcurl4-openssl-dev)");
}

}  // namespace plumb::cli

#else

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace plumb::cli {
namespace {

constexpr std::size_t kFirstBytes = std::size_t{64} << 10;
constexpr long kMostRedirects = 8;

/// One connection to one file.
class HttpFile {
 public:
  HttpFile(std::string url, int timeout) : url_(std::move(url)), curl_(curl_easy_init(), curl_easy_cleanup) {
    if (!curl_) throw Error(ErrorCode::io, "libcurl cannot be set up");
    option(CURLOPT_FOLLOWLOCATION, 1L);
    option(CURLOPT_MAXREDIRS, kMostRedirects);
#if LIBCURL_VERSION_NUM >= 0x075500
    option(CURLOPT_PROTOCOLS_STR, "http,https");
    option(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    option(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    option(CURLOPT_REDIR_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    option(CURLOPT_CONNECTTIMEOUT, static_cast<long>(timeout));
    option(CURLOPT_LOW_SPEED_LIMIT, 1L);
    option(CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeout));
    option(CURLOPT_NOSIGNAL, 1L);
    option(CURLOPT_USERAGENT, "plumb/" PLUMB_VERSION_STRING);
    option(CURLOPT_ERRORBUFFER, problem_);
    option(CURLOPT_WRITEFUNCTION, &HttpFile::take_body);
    option(CURLOPT_WRITEDATA, this);
    option(CURLOPT_HEADERFUNCTION, &HttpFile::take_header);
    option(CURLOPT_HEADERDATA, this);
    first_ = fetch(0, kFirstBytes);
    // What a redirect led to is asked directly from now on.
    const char* found = nullptr;
    if (curl_easy_getinfo(curl_.get(), CURLINFO_EFFECTIVE_URL, &found) == CURLE_OK && found) asked_ = found;
  }

  std::uint64_t size() const { return size_; }

  void read(std::uint64_t offset, std::span<std::byte> out) {
    if (offset + out.size() <= first_.size()) {
      std::memcpy(out.data(), first_.data() + offset, out.size());
      return;
    }
    const std::uint64_t size = size_;
    const std::vector<std::byte> bytes = fetch(offset, out.size());
    if (size_ != size) fail(fmt::format("the file had {} bytes and now has {}", size, size_));
    if (bytes.size() != out.size()) fail(fmt::format("{} bytes came, expected {}", bytes.size(), out.size()));
    std::memcpy(out.data(), bytes.data(), out.size());
  }

 private:
  template <class Value>
  void option(CURLoption name, Value value) {
    if (curl_easy_setopt(curl_.get(), name, value) != CURLE_OK) fail("libcurl does not take an option");
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::io, printable(url_, 4096) + ": " + what);
  }

  /// Up to `count` bytes from `offset` on: fewer at the end of the file, or all of a short file.
  std::vector<std::byte> fetch(std::uint64_t offset, std::size_t count) {
    body_.clear();
    range_.reset();
    asked_for_ = count;
    problem_[0] = '\0';
    const std::string range = fmt::format("{}-{}", offset, offset + count - 1);
    option(CURLOPT_URL, asked_.empty() ? url_.c_str() : asked_.c_str());
    option(CURLOPT_RANGE, range.c_str());
    const CURLcode done = curl_easy_perform(curl_.get());
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 400) fail(fmt::format("the server answers with status {}", status));
    const bool whole = status == 200;
    if (done == CURLE_WRITE_ERROR && whole)
      fail("the server hands out the whole file and no ranges of it; download the file");
    if (done == CURLE_WRITE_ERROR) fail(fmt::format("more came than the {} bytes that were asked for", count));
    if (done != CURLE_OK) fail(problem_[0] != '\0' ? problem_ : curl_easy_strerror(done));
    if (whole) {
      if (offset > 0) fail("the server hands out ranges no more");
      size_ = body_.size();
      return body_;
    }
    if (status != 206 || !range_) fail(fmt::format("status {} without a range of the file", status));
    if (range_->first != offset)
      fail(fmt::format("bytes from {} on came, expected those from {} on", range_->first, offset));
    size_ = range_->total;
    return body_;
  }

  static std::size_t take_body(const char* data, std::size_t, std::size_t count, void* self) {
    HttpFile& file = *static_cast<HttpFile*>(self);
    long status = 0;
    curl_easy_getinfo(file.curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) return count;  // pages about errors
    const std::size_t most = status == 200 ? static_cast<std::size_t>(kMostRangeBytes) : file.asked_for_;
    if (file.body_.size() + count > most) return 0;  // ends the transfer
    const auto* bytes = reinterpret_cast<const std::byte*>(data);
    file.body_.insert(file.body_.end(), bytes, bytes + count);
    return count;
  }

  /// "Content-Range: bytes 0-65535/1234567".
  static std::size_t take_header(const char* data, std::size_t, std::size_t count, void* self) {
    HttpFile& file = *static_cast<HttpFile*>(self);
    std::string line(data, count);
    std::transform(line.begin(), line.end(), line.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (line.starts_with("http/")) file.range_.reset();  // of the next answer
    constexpr std::string_view kName = "content-range:";
    if (!line.starts_with(kName)) return count;
    const std::size_t unit = line.find("bytes", kName.size()), slash = line.find('/');
    if (unit == std::string::npos || slash == std::string::npos) return count;
    const std::size_t digits = line.find_first_not_of(" =", unit + 5);
    Found found;
    if (digits == std::string::npos || !number(line, digits, found.first) || !number(line, slash + 1, found.total))
      return count;
    file.range_ = found;
    return count;
  }
  static bool number(const std::string& line, std::size_t at, std::uint64_t& value) {
    const char* const begin = line.data() + at;
    return std::from_chars(begin, line.data() + line.size(), value).ec == std::errc();
  }

  struct Found {
    std::uint64_t first = 0, total = 0;
  };
  std::string url_, asked_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl_;
  char problem_[CURL_ERROR_SIZE] = {};
  std::vector<std::byte> body_, first_;
  std::optional<Found> range_;
  std::size_t asked_for_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace

RangeReader open_http(const std::string& url, int timeout) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const auto file = std::make_shared<HttpFile>(url, timeout);
  return {file->size(), [file](std::uint64_t offset, std::span<std::byte> out) { file->read(offset, out); }};
}

}  // namespace plumb::cli

#endif
