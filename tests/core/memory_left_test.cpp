/// The memory that control groups grant, in copies of the files that say it.

#include "plumb/core/memory_left.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.hpp"

namespace plumb::memory_left_test {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

std::optional<double> left_of(const Files& files) {
  const test::TempDir dir;
  for (const auto& [name, text] : files) {
    std::filesystem::create_directories((dir / name).parent_path());
    dir.file(name, text);
  }
  return memory_left(dir.path());
}

TEST(MemoryLeft, IsTheLeastOfTheGroupsAround) {
  const std::string v2 = "sys/fs/cgroup/", v1 = "sys/fs/cgroup/memory/", own = "proc/self/cgroup";
  const struct {
    Files files;
    std::optional<double> want;
  } cases[] = {
      {{}, std::nullopt},
      {{{v2 + "memory.max", "max\n"}, {v2 + "memory.current", "5000\n"}}, std::nullopt},
      {{{v2 + "memory.max", "8000\n"}, {v2 + "memory.current", "5000\n"}}, 3000},
      {{{v2 + "memory.max", "8000\n"}}, 8000},
      {{{v2 + "memory.max", "8000\n"}, {v2 + "memory.current", "9000\n"}}, 0},
      {{{v2 + "memory.max", "8000\n"},
        {v2 + "memory.current", "5000\n"},
        {v2 + "memory.stat", "anon 1000\ninactive_file 1500\nactive_file 2\n"}},
       4500},
      {{{own, "0::/a/b\n"},
        {v2 + "a/memory.max", "9000\n"},
        {v2 + "a/memory.current", "7000\n"},
        {v2 + "a/b/memory.max", "4000\n"}},
       2000},
      {{{own, "5:cpu:/x\n4:memory:/a\n"},
        {v1 + "a/memory.limit_in_bytes", "9000\n"},
        {v1 + "a/memory.usage_in_bytes", "4000\n"},
        {v1 + "a/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"}},
       5500},
      {{{own, "4:memory:/\n"}, {v1 + "memory.limit_in_bytes", "9223372036854771712\n"}}, std::nullopt},
  };
  for (const auto& [files, want] : cases)
    EXPECT_EQ(left_of(files), want) << (files.empty() ? "" : files.back().first + " " + files.back().second);
}

}  // namespace
}  // namespace plumb::memory_left_test
