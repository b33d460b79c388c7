#pragma once
/// @file
/// How much processor time the control groups of this process grant.

#include <filesystem>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Processors' worth of time that the control groups of this process grant, the least of the process's own group and
/// those around it, of version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`); 0 where there is no limit. Reads below
/// `root` ("/" for this machine; a copy in tests): `proc/self/cgroup` and `sys/fs/cgroup`, where a container sees its
/// own group as the outermost.
PLUMB_API double processor_quota(const std::filesystem::path& root = "/");

/// The smallest number of threads that can use up that quota; `processors` where there is none.
PLUMB_API int processors_within(double quota, int processors);

}  // namespace plumb
