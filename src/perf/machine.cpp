// Look-ups in a machine profile, and what it says about threads.

#include "plumb/perf/machine.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "../core/format.hpp"
#include "../io/json_reader.hpp"
#include "interpolate.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/io/atomic_file.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The smallest measured thread count that reaches 97% of the largest value.
template <class Value>
int saturation(const std::vector<int>& counts, const Value& value) {
  double best = 0;
  for (const int count : counts) best = std::max(best, value(count));
  for (const int count : counts)
    if (value(count) >= 0.97 * best) return count;
  return counts.empty() ? 1 : counts.back();
}

}  // namespace

std::vector<int> Machine::thread_counts() const {
  std::set<int> counts;
  for (const BandwidthPoint& point : bandwidths) counts.insert(point.threads);
  return {counts.begin(), counts.end()};
}

int Machine::max_threads() const {
  const std::vector<int> counts = thread_counts();
  return counts.empty() ? 1 : counts.back();
}

double Machine::bandwidth(double working_set, int threads) const {
  const double x = std::log2(std::max(working_set, 1.0));
  return at_threads(bandwidths, threads, [&](int count) {
    std::vector<std::pair<double, double>> points;
    for (const BandwidthPoint& point : bandwidths)
      if (point.threads == count) points.emplace_back(std::log2(point.working_set), point.bytes_per_second);
    std::sort(points.begin(), points.end());
    return interpolate(points, x);
  });
}

double Machine::memory_bandwidth(int threads) const { return bandwidth(1e18, threads); }

double Machine::peak(Arithmetic kind, int threads) const {
  return at_threads(peaks, threads, [&](int count) {
    for (const PeakRate& rate : peaks)
      if (rate.isa == isa && rate.kind == kind && rate.threads == count) return rate.per_second;
    return 0.0;
  });
}

double Machine::barrier_seconds(int threads) const {
  return at_threads(syncs, threads, [&](int count) {
    for (const SyncCost& cost : syncs)
      if (cost.threads == count) return std::max(cost.barrier, 1e-12);
    return 0.0;
  });
}

double Machine::region_seconds(int threads) const {
  return at_threads(syncs, threads, [&](int count) {
    for (const SyncCost& cost : syncs)
      if (cost.threads == count) return std::max(cost.region, 1e-12);
    return 0.0;
  });
}

int Machine::decode_saturation() const {
  return saturation(thread_counts(), [&](int count) { return memory_bandwidth(count); });
}

int Machine::prefill_saturation() const {
  return saturation(thread_counts(), [&](int count) {
    const double int8 = peak(Arithmetic::int8, count);
    return int8 > 0 ? int8 : peak(Arithmetic::f32, count);
  });
}

std::vector<std::string> Machine::warnings(int threads) const {
  std::vector<std::string> sentences;
  if (threads > system.usable)
    sentences.push_back(formatted("{} threads on {} usable processors: they will take turns", threads, system.usable));
  else if (threads > system.cores)
    sentences.push_back(
        formatted("{} threads on {} cores: hyper-threads share one core's arithmetic", threads, system.cores));
  if (system.cpu_quota > 0 && threads > system.cpu_quota)
    sentences.push_back(
        formatted("the control group grants {:.3g} processors, {} threads will be paused", system.cpu_quota, threads));
  if (system.load_average > 0.5 * system.processors)
    sentences.push_back(formatted("other work was running: load average {:.3g} on {} processors when measured",
                                  system.load_average, system.processors));
  if (system.huge_pages == "never")
    sentences.emplace_back("transparent huge pages are off: address translation costs some bandwidth");
  if (!system.governor.empty() && system.governor != "performance" && system.governor != "schedutil")
    sentences.push_back(formatted("frequency governor '{}': rates depend on what ran before", system.governor));
  return sentences;
}

bool Machine::same_machine(const SystemInfo& other, std::string_view other_isa) const {
  return system.cpu == other.cpu && system.processors == other.processors && system.usable == other.usable &&
         system.cores == other.cores && system.caches == other.caches && system.cpu_quota == other.cpu_quota &&
         std::abs(system.memory_bytes - other.memory_bytes) <= 0.05 * other.memory_bytes && isa == other_isa;
}

std::filesystem::path machine_cache_path() {
  const auto folder = [](const char* variable) -> std::filesystem::path {
    const char* value = std::getenv(variable);
    return value && *value == '/' ? value : "";  // the base directory specification: relative paths are ignored
  };
  if (const auto cache = folder("XDG_CACHE_HOME"); !cache.empty()) return cache / "plumb" / "machine.json";
  if (const auto home = folder("HOME"); !home.empty()) return home / ".cache" / "plumb" / "machine.json";
  return {};
}

void save_machine(const Machine& machine, const std::filesystem::path& path) {
  std::error_code failure;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failure);
  if (failure)
    throw Error(ErrorCode::io, "cannot create the folder of " + quote(path.string()) + ": " + failure.message());
  AtomicFile file(path);
  file.write(machine.to_json() + "\n");
  file.commit();
}

Machine load_machine(const std::filesystem::path& path) {
  return Machine::from_json(read_json_text(path), quote(path.string()));
}

Machine load_or_measure_machine(const MachineOptions& options) {
  const std::filesystem::path path = machine_cache_path();
  if (!path.empty()) {
    try {
      Machine saved = load_machine(path);
      if (saved.same_machine(read_system_info(), isa_name(choose_isa())) && saved.build == build_id()) return saved;
    } catch (const Error&) {
      // absent, broken or of another version: measuring replaces it
    }
  }
  Machine machine = measure_machine(options);
  if (!path.empty()) {
    try {
      save_machine(machine, path);
    } catch (const Error&) {
      // a read-only home must not keep anybody from predicting
    }
  }
  return machine;
}

}  // namespace plumb
