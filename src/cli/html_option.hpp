#pragma once
/// --html FILE: the result as a page for a browser, beside what is printed.

#include <chrono>
#include <string>

#include "../perf/page/page.hpp"
#include "arguments.hpp"
#include "say.hpp"

namespace plumb::cli {

inline Option add_html(const Command& command, std::string& file) {
  return command.add_option("--html", file, "Write the result as a page with pictures too: one file, readable offline")
      .type_name("FILE");
}

/// Seconds since 1970, for the page's date.
inline double now_of_page() {
  return static_cast<double>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
}

/// Writes the page and says where it is. @throws Error{io}.
inline void write_page(const std::string& file, const std::string& html) {
  page::write_file(file, html);
  say("{}\n", file);
}

}  // namespace plumb::cli
