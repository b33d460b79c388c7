#pragma once
/// Running the plumb command as a user does.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/temp_dir.hpp"

namespace plumb::test {

struct CommandResult {
  int exit_code = -1;  ///< -1: ended by a signal
  std::string out, err;
};

/// Quotes a word for /bin/sh.
inline std::string shell_word(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Runs `plumb ARGUMENTS...` with an empty standard input, behind the words of another command if there are some.
inline CommandResult run_plumb(const std::vector<std::string>& arguments, const std::string& behind = "") {
  const TempDir dir;
  std::string line = behind + shell_word(std::string(PLUMB_BINARY_DIR) + "/plumb");
  for (const std::string& argument : arguments) line += ' ' + shell_word(argument);
  line += " </dev/null >" + shell_word((dir / "out").native()) + " 2>" + shell_word((dir / "err").native());
  const int status = std::system(line.c_str());
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(dir / "out"), contents(dir / "err")};
}

}  // namespace plumb::test
