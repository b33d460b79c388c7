#pragma once
/// @file
/// What the operating system says of the machine. In a virtual machine some of it is fiction (cache sizes, cores); the
/// measured ceilings beside it in a profile are not.

#include <filesystem>
#include <string>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// One level of data cache, as the first processor sees it.
struct CacheInfo {
  int level = 0;
  double bytes = 0;
  int shared_by = 1;  ///< logical processors that share one such cache
  bool operator==(const CacheInfo&) const = default;
};

/// Facts about the machine and the moment.
struct SystemInfo {
  std::string cpu;       ///< model name
  int processors = 1;    ///< logical processors that are on line
  int usable = 1;        ///< processors this process may run on
  int cores = 1;         ///< physical cores, as far as the system tells
  int packages = 1;      ///< sockets
  double cpu_quota = 0;  ///< processors' worth of time that a control group grants; 0 = no limit
  std::vector<CacheInfo> caches;
  double memory_bytes = 0;      ///< installed, as this system sees it
  double memory_available = 0;  ///< free or reclaimable now, within the limits of control groups
  double page_bytes = 4096;
  std::string huge_pages;  ///< transparent huge pages: always, madvise, never
  std::string governor;    ///< frequency governor; empty where the system shows none
  bool virtual_machine = false;
  double load_average = 0;  ///< runnable processes over the last minute

  /// Bytes of the last cache level; 0 when unknown.
  double last_cache_bytes() const { return caches.empty() ? 0 : caches.back().bytes; }
  /// Processors that this process may use at once: those it may run on, but no more than the quota has time for.
  int useful_threads() const;
};

/// Reads /proc and /sys below `root` ("/" for this machine; a copy in tests). Absent files leave defaults.
PLUMB_API SystemInfo read_system_info(const std::filesystem::path& root = "/");

}  // namespace plumb
