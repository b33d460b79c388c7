/// The processor time of control groups, in copies of the files that say it, and the threads that follow from it.

#include "plumb/core/processors.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::processors_test {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

double quota_of(const Files& files) {
  const test::TempDir dir;
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories((dir / name).parent_path());
    dir.file(name, text);
  }
  return processor_quota(dir.path());
}

TEST(ProcessorQuota, IsTheLeastOfTheGroupsAround) {
  const std::string v2 = "sys/fs/cgroup/", v1 = "sys/fs/cgroup/cpu,cpuacct/", own = "proc/self/cgroup";
  const auto slow = [](const std::string& group, const char* quota) {
    return Files{{group + "cpu.cfs_quota_us", quota}, {group + "cpu.cfs_period_us", "100000\n"}};
  };
  const auto with = [](Files files, const Files& more) {
    files.insert(files.end(), more.begin(), more.end());
    return files;
  };
  const Files second = {{own, "0::/a/b\n"}}, first = {{own, "12:cpuset:/x\n4:cpu,cpuacct:/a/b\n1:name=systemd:/\n"}};
  const struct {
    Files files;
    double want;
  } cases[] = {
      {{}, 0},
      {{{v2 + "cpu.max", "100000 100000\n"}}, 1},
      {{{v2 + "cpu.max", "max 100000\n"}}, 0},
      {{{v2 + "cpu.max", "nonsense"}}, 0},
      {with(second, {{v2 + "a/b/cpu.max", "150000 100000\n"}}), 1.5},
      {with(second, {{v2 + "a/cpu.max", "50000 100000\n"}, {v2 + "a/b/cpu.max", "150000 100000\n"}}), 0.5},
      {with(second, {{v2 + "cpu.max", "max 100000"}, {v2 + "a/cpu.max", "300000 100000\n"}}), 3},
      {with(second, {{v2 + "a/b/c/cpu.max", "100000 100000\n"}}), 0},
      {with(second, {{v2 + "unified/a/cpu.max", "200000 100000\n"}}), 2},
      {{{own, "0::/../../elsewhere\n"}, {v2 + "cpu.max", "100000 50000\n"}}, 2},
      {with(first, slow(v1 + "a/b/", "250000\n")), 2.5},
      {with(first, slow(v1 + "a/", "-1\n")), 0},
      {with(first, slow(v1, "100000\n")), 1},
      {with(first, slow("sys/fs/cgroup/cpu/a/", "400000\n")), 4},
      {with({{own, "3:cpuset:/a\n"}}, slow("sys/fs/cgroup/cpu/a/", "400000\n")), 0},
      {slow("sys/fs/cgroup/cpu/", "150000\n"), 1.5},
  };
  for (const auto& [files, want] : cases)
    EXPECT_EQ(quota_of(files), want) << (files.empty() ? "" : files.back().first + " " + files.back().second);
}

TEST(ProcessorQuota, ThreadsCanUseItUp) {
  EXPECT_EQ(processors_within(0, 8), 8);
  EXPECT_EQ(processors_within(0.2, 8), 1);
  EXPECT_EQ(processors_within(1, 8), 1);
  EXPECT_EQ(processors_within(1.5, 8), 2);
  EXPECT_EQ(processors_within(20, 8), 8);
}

TEST(DefaultThreads, AreAsManyAsWereAskedForWithinLimits) {
  EXPECT_EQ(granted_threads(0), 1);
  EXPECT_EQ(granted_threads(1000000), std::min(kMostThreads, omp_get_thread_limit()));
  const int before = omp_get_max_threads();
  omp_set_num_threads(100000);
  EXPECT_EQ(default_threads(), granted_threads(100000));
  omp_set_num_threads(before);
  EXPECT_LE(default_threads(), before);
}

}  // namespace
}  // namespace plumb::processors_test
