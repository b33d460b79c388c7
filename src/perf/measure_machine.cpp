// Measures a machine: bandwidth of every cache level and of memory, peak arithmetic of every tier, meeting of threads.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "measure_kernels.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/perf/machine.hpp"
#include "probes.hpp"
#include "stopwatch.hpp"

namespace plumb {
namespace {

constexpr double kSmallestSet = 32 << 10;  // bytes; below it loops are too short to time
constexpr int kRepeats = 5;                // odd: the median is one of them
constexpr double kSlice = 3e-3;            // seconds of one repetition
constexpr double kKernelSteps = 20;        // how long the kernels take, in steps of the progress

/// Thread counts to measure: what the caller wants, else powers of two up to all usable processors.
std::vector<int> thread_counts(const MachineOptions& options, const SystemInfo& system) {
  std::vector<int> counts = options.threads;
  if (counts.empty()) {
    for (int t = 1; t < system.usable; t *= 2) counts.push_back(t);
    counts.push_back(system.usable);
  }
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  if (counts.front() < 1 || counts.back() > 4096)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("thread counts {} to {}, expected 1 to 4096", counts.front(), counts.back()));
  return counts;
}

/// Working sets to read: powers of two from a fraction of a core's cache to several times the last one.
std::vector<double> working_sets(const MachineOptions& options, const SystemInfo& system) {
  constexpr double kMiB = 1 << 20;
  const double wanted = std::max(256 * kMiB, 4 * system.last_cache_bytes());
  const double allowed = std::max(64 * kMiB, system.memory_available / 4);
  double largest = std::min({wanted, allowed, 2048 * kMiB});
  if (options.max_working_set > 0) largest = std::max(kSmallestSet, std::min(largest, options.max_working_set));
  std::vector<double> sets;
  for (double bytes = kSmallestSet; bytes <= largest; bytes *= 2) sets.push_back(bytes);
  return sets;
}

/// Weights to multiply with: what half fills the cores' own caches, what lives in the last cache, and memory.
std::vector<double> kernel_sets(const SystemInfo& system, int threads, double largest) {
  double own = 1 << 20, last = 16 << 20;  // bytes; where the system tells nothing
  for (const CacheInfo& cache : system.caches)
    if (cache.level == 2) own = cache.bytes / std::max(1, cache.shared_by) * threads;
  if (system.caches.size() > 2) last = system.last_cache_bytes();
  // Twice the last cache is nowhere near filled by what stays of it from one round to the next.
  std::vector<double> sets{own / 2, std::sqrt(own * last), 4 * last};
  for (double& set : sets) set = std::min(set, largest);
  sets.back() = std::min({std::max(sets.back(), 128.0 * (1 << 20)), 512.0 * (1 << 20), largest});
  return sets;
}

/// Bandwidths of one team. Every worker reads its own part of the working set as often as a slice of time allows.
void measure_bandwidth(int threads, const std::vector<double>& sets, const ProbeTable& probes, Machine& machine,
                       const std::function<void()>& step) {
  const auto largest = static_cast<std::size_t>(sets.back());
  const std::size_t region = round_up<std::size_t>(largest / static_cast<std::size_t>(threads), kHugePage);
  AlignedBuffer buffer(region * static_cast<std::size_t>(threads));
  std::vector<std::vector<double>> seconds(sets.size());  // per byte
  run_parallel(threads, [&](const Worker& worker) {
    std::byte* const mine = buffer.data() + region * static_cast<std::size_t>(worker.index);
    std::fill_n(mine, region, std::byte{1});  // first touch by the reader
    for (std::size_t s = 0; s < sets.size(); ++s) {
      const std::size_t bytes = std::max<std::size_t>(
          512, static_cast<std::size_t>(sets[s]) / static_cast<std::size_t>(worker.count) / 512 * 512);
      // The same for all workers, so from the bytes alone: a slice of time at a middling cache's rate.
      const int passes = std::max(1, static_cast<int>(kSlice * 50e9 / static_cast<double>(bytes)));
      for (int r = -1; r < kRepeats; ++r) {  // the first one fills the caches
        const double elapsed = team_seconds(worker, [&] {
          for (int p = 0; p < passes; ++p) keep(probes.read(mine, bytes));
        });
        if (r >= 0 && worker.first())
          seconds[s].push_back(elapsed / (static_cast<double>(bytes) * worker.count * passes));
      }
      if (worker.first()) step();
    }
  });
  for (std::size_t s = 0; s < sets.size(); ++s)
    machine.bandwidths.push_back({threads, sets[s], 1 / median(seconds[s])});
}

/// Operations per second of `loop(iterations)`, each doing `operations`.
template <class Loop>
double peak_rate(int threads, double operations, const Loop& loop) {
  std::int64_t iterations = 1000;  // as many as fill a slice of time
  for (double elapsed = 0; elapsed < kSlice / 2; iterations *= 2) {
    const double start = now_seconds();
    keep(loop(iterations));
    elapsed = now_seconds() - start;
  }
  std::vector<double> rates;
  run_parallel(threads, [&](const Worker& worker) {
    for (int r = 0; r < kRepeats; ++r) {
      const double elapsed = team_seconds(worker, [&] { keep(loop(iterations)); });
      if (worker.first()) rates.push_back(operations * static_cast<double>(iterations) * worker.count / elapsed);
    }
  });
  return median(rates);
}

void measure_peaks(int threads, Machine& machine) {
  for (const Isa isa : kAllIsas) {
    if (!isa_supported(isa)) continue;
    const ProbeTable& probes = probes_for(isa);
    const std::string name(isa_name(isa));
    machine.peaks.push_back({name, Arithmetic::f32, threads, peak_rate(threads, probes.f32_operations, probes.f32)});
    machine.peaks.push_back({name, Arithmetic::int8, threads, peak_rate(threads, probes.int8_operations, probes.int8)});
    if (probes.bf16)
      machine.peaks.push_back(
          {name, Arithmetic::bf16, threads, peak_rate(threads, probes.bf16_operations, probes.bf16)});
  }
}

SyncCost measure_sync(int threads) {
  constexpr int kBarriers = 2000, kRegions = 200;
  std::vector<double> barriers, regions;
  for (int r = 0; r < kRepeats; ++r) {
    run_parallel(threads, [&](const Worker& worker) {
      const double elapsed = team_seconds(worker, [&] {
        for (int i = 0; i < kBarriers; ++i) worker.barrier();
      });
      if (worker.first()) barriers.push_back(elapsed / kBarriers);
    });
    const double start = now_seconds();
    for (int i = 0; i < kRegions; ++i) run_parallel(threads, [](const Worker& worker) { keep(worker.index); });
    regions.push_back((now_seconds() - start) / kRegions);
  }
  return {threads, median(barriers), median(regions)};
}

}  // namespace

Machine measure_machine(const MachineOptions& options) {
  const double start = now_seconds();
  Machine machine;
  machine.system = read_system_info();
  const Isa isa = choose_isa();
  machine.isa = isa_name(isa);
  machine.build = build_id();
  const std::vector<int> counts = thread_counts(options, machine.system);
  const std::vector<double> sets = working_sets(options, machine.system);

  const double steps = static_cast<double>(counts.size()) * (static_cast<double>(sets.size()) + 2 + kKernelSteps);
  double done = 0;
  const auto advance = [&](double by, const std::string& what) {
    done += by;
    if (options.progress) options.progress(std::min(1.0, done / steps), what);
  };
  for (const int threads : counts) {
    SyncCost sync = measure_sync(threads);
    measure_bandwidth(threads, sets, probes_for(isa), machine,
                      [&] { advance(1, fmt::format("memory, {} threads", threads)); });
    measure_peaks(threads, machine);
    advance(2, fmt::format("arithmetic, {} threads", threads));
    const auto kernels = [&](double weight) {
      return [&advance, threads, weight](double part, std::string_view what) {
        advance(kKernelSteps * weight * part, fmt::format("{}, {} threads", what, threads));
      };
    };
    if (options.kernels) {
      measure_kernels(threads, isa, kernel_sets(machine.system, threads, sets.back()), machine.kernels, kernels(0.8));
      measure_attention(threads, isa, machine.attention, kernels(0.1));
      measure_steps(threads, machine.steps, sync, kernels(0.1));
    } else {
      advance(kKernelSteps, "");
    }
    machine.syncs.push_back(sync);
  }
  machine.measured_at = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  machine.measuring_seconds = now_seconds() - start;
  return machine;
}

}  // namespace plumb
