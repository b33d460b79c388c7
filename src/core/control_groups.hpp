#pragma once
/// The control groups of this process, of both versions.

#include <filesystem>
#include <functional>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Calls `look` for the folder of the process's own group and of those around it, where `controller` ("cpu",
/// "memory") may set limits. `second`: of version 2, whose files have other names. Reads below `root`:
/// `proc/self/cgroup` and `sys/fs/cgroup`. A group may come twice.
void for_each_control_group(const std::filesystem::path& root, std::string_view controller,
                            const std::function<void(const std::filesystem::path& group, bool second)>& look);

}  // namespace plumb
