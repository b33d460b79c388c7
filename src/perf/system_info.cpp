#include "plumb/perf/system_info.hpp"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "plumb/core/memory_left.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/core/processors.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

namespace fs = std::filesystem;

/// A small text file without its trailing white space; empty when it cannot be read.
std::string read_text(const fs::path& path) {
  std::ifstream in(path);
  std::string text;
  std::getline(in, text, '\0');
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::optional<long> parse_long(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// Processors in a list such as "0-3,8".
int count_list(std::string_view list) {
  int count = 0;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view part = list.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = parse_long(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_long(part.substr(dash + 1));
    if (first && last && *last >= *first && *last < 65536) count += static_cast<int>(*last - *first + 1);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return count;
}

/// "48K", "2M" or plain bytes.
double parse_size(const std::string& text) {
  const auto value = parse_long(text);
  if (!value || *value <= 0) return 0;
  const double unit = text.find('K') != std::string_view::npos   ? 1024.0
                      : text.find('M') != std::string_view::npos ? 1048576.0
                                                                 : 1.0;
  return static_cast<double>(*value) * unit;
}

/// The value after "key :" on its line of a /proc file; the first such line.
std::string field(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string_view::npos ? std::string() : line.substr(begin);
  }
  return {};
}

/// The choice in brackets: "always [madvise] never" -> "madvise".
std::string chosen(const std::string& text) {
  const std::size_t open = text.find('['), close = text.find(']');
  return open == std::string_view::npos || close == std::string_view::npos || close < open
             ? text
             : text.substr(open + 1, close - open - 1);
}

std::vector<CacheInfo> read_caches(const fs::path& cpu0) {
  std::vector<CacheInfo> caches;
  for (int index = 0; index < 16; ++index) {
    const fs::path dir = cpu0 / "cache" / ("index" + std::to_string(index));
    const std::string type = read_text(dir / "type");
    if (type != "Data" && type != "Unified") continue;
    CacheInfo cache;
    cache.level = static_cast<int>(parse_long(read_text(dir / "level")).value_or(0));
    cache.bytes = parse_size(read_text(dir / "size"));
    cache.shared_by = std::max(1, count_list(read_text(dir / "shared_cpu_list")));
    if (cache.level > 0 && cache.bytes > 0) caches.push_back(cache);
  }
  std::sort(caches.begin(), caches.end(), [](const CacheInfo& a, const CacheInfo& b) { return a.level < b.level; });
  return caches;
}

void read_topology(const fs::path& cpus, SystemInfo& info) {
  std::set<std::pair<long, long>> cores;
  std::set<long> packages;
  for (int cpu = 0; cpu < info.processors && cpu < 65536; ++cpu) {
    const fs::path topology = cpus / ("cpu" + std::to_string(cpu)) / "topology";
    const auto core = parse_long(read_text(topology / "core_id"));
    const auto package = parse_long(read_text(topology / "physical_package_id"));
    if (!core || !package) continue;
    cores.insert({*package, *core});
    packages.insert(*package);
  }
  info.cores = cores.empty() ? info.processors : static_cast<int>(cores.size());
  info.packages = std::max<int>(1, static_cast<int>(packages.size()));
}

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 0;
  return std::max(allowed, omp_get_num_procs());  // OMP_PROC_BIND has bound this thread to one of them
}

}  // namespace

int SystemInfo::useful_threads() const { return processors_within(cpu_quota, usable); }

SystemInfo read_system_info(const fs::path& root) {
  SystemInfo info;
  const std::string cpuinfo = read_text(root / "proc/cpuinfo"), meminfo = read_text(root / "proc/meminfo");
  info.cpu = printable(field(cpuinfo, "model name"));
  info.virtual_machine = (" " + field(cpuinfo, "flags") + " ").find(" hypervisor ") != std::string::npos;
  info.memory_bytes = static_cast<double>(parse_long(field(meminfo, "MemTotal")).value_or(0)) * 1024;
  info.memory_available = static_cast<double>(parse_long(field(meminfo, "MemAvailable")).value_or(0)) * 1024;
  if (const std::optional<double> left = memory_left(root))
    info.memory_available = info.memory_available > 0 ? std::min(info.memory_available, *left) : *left;

  const fs::path cpus = root / "sys/devices/system/cpu";
  info.processors = std::max(1, count_list(read_text(cpus / "online")));
  info.usable = root == "/" ? usable_processors() : 0;
  if (info.usable == 0) info.usable = info.processors;
  read_topology(cpus, info);
  info.caches = read_caches(cpus / "cpu0");
  info.governor = printable(read_text(cpus / "cpu0/cpufreq/scaling_governor"));
  info.huge_pages = printable(chosen(read_text(root / "sys/kernel/mm/transparent_hugepage/enabled")));
  info.cpu_quota = processor_quota(root);
  if (const long page = ::sysconf(_SC_PAGESIZE); page > 0) info.page_bytes = static_cast<double>(page);
  std::istringstream(read_text(root / "proc/loadavg")) >> info.load_average;
  return info;
}

}  // namespace plumb
