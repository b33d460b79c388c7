#include "control_groups.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace plumb::inline PLUMB_ABI {
namespace {

using LookAtGroup = std::function<void(const std::filesystem::path& group, bool second)>;

/// Looks at `group`, a path such as "/a/b" below `mount`, and those around it. A container may see a path that is not
/// below what it has mounted; then the mount itself is its group.
void walk_groups(const std::filesystem::path& mount, std::string_view group, bool second, const LookAtGroup& look) {
  const std::filesystem::path inner = std::filesystem::path(group).relative_path().lexically_normal();
  std::filesystem::path at = mount;
  look(at, second);
  for (const std::filesystem::path& part : inner) {
    if (part == ".." || part.empty()) continue;
    at /= part;
    look(at, second);
  }
}

bool names_controller(std::string_view controllers, std::string_view controller) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == controller) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

void for_each_control_group(const std::filesystem::path& root, std::string_view controller, const LookAtGroup& look) {
  const std::filesystem::path mounts = root / "sys/fs/cgroup";
  walk_groups(mounts, "", true, look);  // also where /proc is not to be read
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/group" or "4:cpu,cpuacct:/group"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      walk_groups(mounts, group, true, look);
      walk_groups(mounts / "unified", group, true, look);
    } else if (names_controller(controllers, controller)) {
      for (const std::string& mount : {controllers, std::string(controller)})
        walk_groups(mounts / mount, group, false, look);
    }
  }
  if (!groups.is_open()) walk_groups(mounts / controller, "", false, look);
}

}  // namespace plumb
