// Look-ups in a machine profile, and what it says about threads.

#include "plumb/perf/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "../io/json_reader.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/io/atomic_file.hpp"

namespace plumb {
namespace {

/// Linear interpolation through (x, y) points with rising x; constant outside.
double interpolate(const std::vector<std::pair<double, double>>& points, double x) {
  if (points.empty()) return 0;
  if (x <= points.front().first) return points.front().second;
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& [x0, y0] = points[i - 1];
    const auto& [x1, y1] = points[i];
    if (x <= x1) return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
  }
  return points.back().second;
}

/// value(t) for the measured thread counts of a list, interpolated at `threads`.
template <class List, class Value>
double at_threads(const List& list, int threads, const Value& value) {
  std::set<int> counts;
  for (const auto& entry : list) counts.insert(entry.threads);
  std::vector<std::pair<double, double>> points;
  for (const int count : counts)
    if (const double v = value(count); v > 0) points.emplace_back(count, v);
  return interpolate(points, threads);
}

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

double Machine::kernel_rate(DType type, double columns, int threads) const {
  const double x = std::log2(std::max(columns, 1.0));
  return at_threads(kernels, threads, [&](int count) {
    // Seconds per multiply-add are what adds up, so they are what is interpolated.
    std::vector<std::pair<double, double>> points;
    for (const KernelRate& rate : kernels)
      if (rate.isa == isa && rate.type == type && rate.threads == count && rate.macs_per_second > 0)
        points.emplace_back(std::log2(rate.columns), 1 / rate.macs_per_second);
    std::sort(points.begin(), points.end());
    const double seconds = interpolate(points, x);
    return seconds > 0 ? 1 / seconds : 0.0;
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
    sentences.push_back(
        fmt::format("{} threads on {} usable processors: they will take turns", threads, system.usable));
  else if (threads > system.cores)
    sentences.push_back(
        fmt::format("{} threads on {} cores: hyper-threads share one core's arithmetic", threads, system.cores));
  if (system.cpu_quota > 0 && threads > system.cpu_quota)
    sentences.push_back(fmt::format("the control group grants {:.3g} processors, {} threads will be paused",
                                    system.cpu_quota, threads));
  if (system.load_average > 0.5 * system.processors)
    sentences.push_back(fmt::format("other work was running: load average {:.3g} on {} processors when measured",
                                    system.load_average, system.processors));
  if (system.huge_pages == "never")
    sentences.emplace_back("transparent huge pages are off: address translation costs some bandwidth");
  if (!system.governor.empty() && system.governor != "performance" && system.governor != "schedutil")
    sentences.push_back(fmt::format("frequency governor '{}': rates depend on what ran before", system.governor));
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
      if (saved.same_machine(read_system_info(), isa_name(choose_isa()))) return saved;
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
