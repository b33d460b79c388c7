#pragma once
/// Files on servers, in ranges.

#include <string>
#include <string_view>

#include "plumb/io/gguf_ranges.hpp"

namespace plumb::cli {

/// Whether a name is one of a file on a server.
inline bool is_url(std::string_view name) { return name.starts_with("http://") || name.starts_with("https://"); }

/// Opens the file of a URL: asks for its first bytes, which say how long it is. Follows redirects. A server that knows
/// no ranges may hand out files of up to kMostRangeBytes whole. `timeout`: seconds to wait for a connection, or for
/// the next bytes.
/// @throws Error{io} for whatever goes wrong on the way, naming the URL; also where plumb was built without libcurl.
RangeReader open_http(const std::string& url, int timeout);

}  // namespace plumb::cli
