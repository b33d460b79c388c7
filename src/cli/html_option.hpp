#pragma once
/// --html FILE: the result as a page for a browser, beside what is printed.

#include <chrono>
#include <filesystem>
#include <string>

#include "../perf/page/page.hpp"
#include "arguments.hpp"
#include "plumb/core/printable.hpp"
#include "say.hpp"

namespace plumb::cli {

inline Option add_html(const Command& command, std::string& file) {
  return command.add_option("--html", file, "Write the result as a page with pictures too: one file, readable offline")
      .check([](const std::string& name) {  // told before anything is measured
        const std::filesystem::path folder = std::filesystem::path(name).parent_path();
        std::error_code absent;
        return folder.empty() || std::filesystem::is_directory(folder, absent)
                   ? std::string()
                   : "there is no folder '" + printable(folder.native()) + "' for the page";
      })
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
