#include "plumb/core/memory_left.hpp"

#include <algorithm>
#include <fstream>
#include <string>

#include "control_groups.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Version 1 says "no limit" by a number near 2^63.
constexpr double kNoMemoryLimit = 1e18;

/// The number that a file begins with; nothing for "max" or no such file.
std::optional<double> leading_number(const std::filesystem::path& path) {
  std::ifstream in(path);
  double value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

/// The number behind `key` in a file of "key number" lines; 0 if there is none.
double number_behind(const std::filesystem::path& path, std::string_view key) {
  std::ifstream in(path);
  std::string name;
  for (double value = 0; in >> name >> value;)
    if (name == key) return value;
  return 0;
}

}  // namespace

std::optional<double> memory_left(const std::filesystem::path& root) {
  std::optional<double> least;
  for_each_control_group(root, "memory", [&](const std::filesystem::path& group, bool second) {
    const auto limit = leading_number(group / (second ? "memory.max" : "memory.limit_in_bytes"));
    if (!limit || *limit >= kNoMemoryLimit || *limit < 0) return;
    const double used = leading_number(group / (second ? "memory.current" : "memory.usage_in_bytes")).value_or(0),
                 cache = number_behind(group / "memory.stat", second ? "inactive_file" : "total_inactive_file");
    const double left = std::clamp(*limit - std::max(used - cache, 0.0), 0.0, *limit);
    least = least ? std::min(*least, left) : left;
  });
  return least;
}

}  // namespace plumb
