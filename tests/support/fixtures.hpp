#pragma once
/// Where the shared test data lies, and how a test says that it is absent.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace plumb::test {

/// PLUMB_FIXTURES, or ../shared/fixtures beside the source tree.
inline std::filesystem::path fixtures_dir() {
  if (const char* dir = std::getenv("PLUMB_FIXTURES")) return dir;
  return std::filesystem::path(PLUMB_SOURCE_DIR) / ".." / "shared" / "fixtures";
}

inline bool have_fixtures() { return std::filesystem::exists(fixtures_dir() / "README.md"); }

/// A file of one of the small models, one an architecture: "gemma2.gguf". Those of the second round have a folder of
/// their own.
inline std::filesystem::path architecture_fixture(const std::string& name) {
  const std::filesystem::path first = fixtures_dir() / "arch-dev" / name;
  return std::filesystem::exists(first) ? first : fixtures_dir() / "arch2-dev" / name;
}

/// All bytes of a file.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A little-endian array of T: .logits, .logits64 and .f32 files hold floats.
template <class T>
std::vector<T> read_array(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::vector<T> values(bytes.size() / sizeof(T));
  std::copy_n(bytes.data(), values.size() * sizeof(T), reinterpret_cast<char*>(values.data()));
  return values;
}

/// Decimal ids separated by white space.
inline std::vector<std::int32_t> read_tokens(const std::filesystem::path& path) {
  std::istringstream in(read_file(path));
  return {std::istream_iterator<std::int32_t>(in), {}};
}

}  // namespace plumb::test

/// Skips the test, visibly, where the shared fixtures are absent; fails it where PLUMB_FIXTURES_REQUIRED is set, so
/// that a run that counts cannot pass without them.
#define PLUMB_REQUIRE_FIXTURES()                                                                           \
  if (plumb::test::have_fixtures()) {                                                                      \
  } else if (std::getenv("PLUMB_FIXTURES_REQUIRED") != nullptr)                                            \
    FAIL() << "shared fixtures not found at " << plumb::test::fixtures_dir() << ", and they are required"; \
  else                                                                                                     \
    GTEST_SKIP() << "shared fixtures not found at " << plumb::test::fixtures_dir() << "; set PLUMB_FIXTURES"
