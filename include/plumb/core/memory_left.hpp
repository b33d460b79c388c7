#pragma once
/// @file
/// How much memory the control groups of this process still grant.

#include <filesystem>
#include <optional>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Bytes that this process may still use before a control group's limit is reached, the least of its own group and
/// those around it, of version 2 (`memory.max`) and version 1 (`memory.limit_in_bytes`); what is used counts without
/// the file cache that the system gives back. Nothing where there is no limit. Reads below `root` as processor_quota.
PLUMB_API std::optional<double> memory_left(const std::filesystem::path& root = "/");

}  // namespace plumb
