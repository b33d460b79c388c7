#include "plumb/core/processors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "control_groups.hpp"
#include "plumb/core/parallel.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// One group's limit, from two numbers in one file or two: microseconds of processor time and of the period. 0: none
/// ("max", -1, no such file).
double quota_of(std::ifstream&& quota_file, std::ifstream* period_file) {
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !((period_file ? *period_file : quota_file) >> period)) return 0;
  return quota > 0 && period > 0 ? quota / period : 0;
}

double group_quota(const std::filesystem::path& group, bool second_version) {
  if (second_version) return quota_of(std::ifstream(group / "cpu.max"), nullptr);
  std::ifstream period(group / "cpu.cfs_period_us");
  return quota_of(std::ifstream(group / "cpu.cfs_quota_us"), &period);
}

}  // namespace

double processor_quota(const std::filesystem::path& root) {
  double least = 0;
  for_each_control_group(root, "cpu", [&](const std::filesystem::path& group, bool second_version) {
    const double quota = group_quota(group, second_version);
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  });
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
