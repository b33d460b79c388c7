#pragma once
/// A whole text from a file.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::cli {

/// The bytes of a file, or of standard input for "-". @throws Error{io}.
inline std::string read_text(const std::string& path) {
  if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream in(path, std::ios::binary);
  if (std::filesystem::is_directory(path) || !in) throw Error(ErrorCode::io, printable(path) + ": cannot be read");
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace plumb::cli
