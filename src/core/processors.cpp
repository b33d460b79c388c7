#include "plumb/core/processors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "plumb/core/parallel.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

namespace fs = std::filesystem;

/// One group's limit, from two numbers in one file or two: microseconds of processor time and of the period. 0: none
/// ("max", -1, no such file).
double quota_of(std::ifstream&& quota_file, std::ifstream* period_file) {
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !((period_file ? *period_file : quota_file) >> period)) return 0;
  return quota > 0 && period > 0 ? quota / period : 0;
}

double group_quota(const fs::path& group, bool second_version) {
  if (second_version) return quota_of(std::ifstream(group / "cpu.max"), nullptr);
  std::ifstream period(group / "cpu.cfs_period_us");
  return quota_of(std::ifstream(group / "cpu.cfs_quota_us"), &period);
}

/// Lowers `least` to the limits of `group`, a path such as "/a/b" below `mount`, and of those around it. A container
/// may see a path that is not below what it has mounted; then the mount itself is its group.
void look_at_groups(const fs::path& mount, std::string_view group, bool second_version, double& least) {
  const fs::path inner = fs::path(group).relative_path().lexically_normal();
  fs::path at = mount;
  const auto look = [&] {
    const double quota = group_quota(at, second_version);
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  };
  look();
  for (const fs::path& part : inner) {
    if (part == ".." || part.empty()) continue;
    at /= part;
    look();
  }
}

bool has_cpu(std::string_view controllers) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

double processor_quota(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  double least = 0;
  look_at_groups(mounts, "", true, least);  // also where /proc is not to be read
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/group" or "4:cpu,cpuacct:/group"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) {
      look_at_groups(mounts, group, true, least);
      look_at_groups(mounts / "unified", group, true, least);
    } else if (has_cpu(controllers)) {
      for (const std::string& mount : {controllers, std::string("cpu")})
        look_at_groups(mounts / mount, group, false, least);
    }
  }
  if (!groups.is_open()) look_at_groups(mounts / "cpu", "", false, least);
  return least;
}

int processors_within(double quota, int processors) {
  if (!(quota > 0) || !(quota < processors)) return std::max(processors, 1);
  return std::max(1, static_cast<int>(std::ceil(quota)));
}

int default_threads() {
  static const double quota = processor_quota();
  const int runtime = omp_get_max_threads();
  const char* const said = std::getenv("OMP_NUM_THREADS");
  const bool chosen = (said && *said != '\0') || runtime != omp_get_num_procs();
  return granted_threads(chosen ? runtime : processors_within(quota, runtime));
}

}  // namespace plumb
