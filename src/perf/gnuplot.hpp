#pragma once
/// Pictures by gnuplot, which is optional at run time.

#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// What gnuplot made of a script.
struct Picture {
  std::string svg;    ///< an <svg> element without prolog, ids unique to `name`; empty when there is none
  std::string error;  ///< why there is none
};

/// Runs gnuplot, without a shell, on a script that plots to an SVG terminal on its standard output. Script and data go
/// in through its standard input. `name` (letters) keeps the ids of several pictures in one page apart.
Picture run_gnuplot(const std::string& script, std::string_view name);

/// A gnuplot string literal.
std::string gnuplot_quote(std::string_view text);

/// Text for an HTML document.
std::string html_escape(std::string_view text);

}  // namespace plumb
