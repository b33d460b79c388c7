// Measures a machine: bandwidth of every cache level and of memory, peak arithmetic of every tier, meeting of threads.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "../core/format.hpp"
#include "measure_kernels.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/perf/machine.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr double kSmallestSet = 32 << 10;  // bytes; below it loops are too short to time
constexpr int kRepeats = 5;
constexpr double kSlice = 3e-3;      // seconds of one repetition
constexpr double kMoved = 0.8;       // change of the logarithm of a barrier's time: the processors are others now
constexpr double kKernelSteps = 20;  // how long the kernels take, in steps of the progress

/// Thread counts to measure: what the caller wants, else powers of two up to all that help.
std::vector<int> thread_counts(const MachineOptions& options, const SystemInfo& system) {
  std::vector<int> counts = options.threads;
  if (counts.empty()) {
    for (int t = 1; t < system.useful_threads(); t *= 2) counts.push_back(t);
    counts.push_back(system.useful_threads());
  }
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  if (counts.front() < 1 || counts.back() > 4096)
    throw Error(ErrorCode::invalid_argument,
                formatted("thread counts {} to {}, expected 1 to 4096", counts.front(), counts.back()));
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
  const double last = system.last_cache_bytes();
  for (int half = 0; kSmallestSet * std::exp2(half / 2.0) <= 1.001 * largest; ++half) {
    const double bytes = kSmallestSet * std::exp2(half / 2.0);
    const bool steep = bytes > 0.4 * last && bytes < 2 * last;  // closer to each other where the last cache ends
    if (half % 2 == 0 || steep) sets.push_back(std::round(bytes / 4096) * 4096);
  }
  return sets;
}

/// Bytes of the second-level caches of `threads` cores; a guess where the system tells nothing.
double own_caches(const SystemInfo& system, int threads) {
  for (const CacheInfo& cache : system.caches)
    if (cache.level == 2) return cache.bytes / std::max(1, cache.shared_by) * threads;
  return 1 << 20;
}

/// Weights to multiply with: what half fills the cores' own caches, what lives in the last cache, and memory.
std::vector<double> kernel_sets(const SystemInfo& system, int threads, double largest) {
  const double own = own_caches(system, threads);
  const double last = system.caches.size() > 2 ? system.last_cache_bytes() : 16 << 20;
  // Twice the last cache is nowhere near filled by what stays of it from one round to the next.
  std::vector<double> sets{own / 2, std::sqrt(own * last), 4 * last};
  for (double& set : sets) set = std::min(set, largest);
  sets.back() = std::min({std::max(sets.back(), 128.0 * (1 << 20)), 512.0 * (1 << 20), largest});
  return sets;
}

/// Bandwidths of one team. Every worker reads its own part of the working set as often as a slice of time allows.
std::vector<BandwidthPoint> measure_bandwidth(int threads, const std::vector<double>& sets, const Probes& probes,
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
  std::vector<BandwidthPoint> points;
  for (std::size_t s = 0; s < sets.size(); ++s) points.push_back({threads, sets[s], 1 / lower_quartile(seconds[s])});
  return points;
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
  std::vector<double> seconds;
  int workers = threads;
  run_parallel(threads, [&](const Worker& worker) {
    for (int r = 0; r < kRepeats; ++r) {
      const double elapsed = team_seconds(worker, [&] { keep(loop(iterations)); });
      if (worker.first()) seconds.push_back(elapsed);
    }
    if (worker.first()) workers = worker.count;
  });
  return operations * static_cast<double>(iterations) * workers / lower_quartile(seconds);
}

double peak_rate(int threads, const Probe& probe) { return peak_rate(threads, probe.operations, probe.run); }

/// A panel of 4-bit weights that stays in the first cache, times one column: the kernel of decoding, without memory.
class Int4Probe {
 public:
  static constexpr std::int64_t kDepth = 512;
  static constexpr double kOperations = 2.0 * kPanelRows * kDepth;

  explicit Int4Probe(const KernelTable& kernels) : multiply_(kernels.matmul_for(DType::q4_0).direct[0]) {
    std::fill_n(panel_.data(), panel_.size(), std::byte{0x3c});  // scales of 1.06
    const std::vector<float> ones(kDepth, 1.0f);
    kernels.quantize_activations(ones.data(), kDepth, 1, kDepth, column_.data());
  }
  float operator()(std::int64_t iterations) const {
    alignas(kAlignment) float out[kPanelRows];
    for (std::int64_t i = 0; i < iterations; ++i)
      multiply_({panel_.data(), panel_.size(), kPanelRows, column_.data(), kDepth, out, kPanelRows, false});
    return out[0];
  }

 private:
  void (*multiply_)(const PanelProduct&);
  AlignedBuffer panel_{panel_bytes(DType::q4_0, kDepth)};
  AlignedBuffer column_{static_cast<std::size_t>(kDepth / kStepK * ActivationStep::bytes(1))};
};

void measure_peaks(int threads, Machine& machine) {
  for (const Isa isa : kAllIsas) {
    if (!isa_usable(isa)) continue;
    const Probes& probes = kernels_for(isa).probes;
    const std::string name(isa_name(isa));
    machine.peaks.push_back({name, Arithmetic::f32, threads, peak_rate(threads, probes.f32)});
    machine.peaks.push_back({name, Arithmetic::int8, threads, peak_rate(threads, probes.int8)});
    machine.peaks.push_back(
        {name, Arithmetic::int4, threads, peak_rate(threads, Int4Probe::kOperations, Int4Probe(kernels_for(isa)))});
    if (probes.bf16.run) machine.peaks.push_back({name, Arithmetic::bf16, threads, peak_rate(threads, probes.bf16)});
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
  return {threads, lower_quartile(barriers), lower_quartile(regions)};
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
  AlignedBuffer memory(options.kernels ? static_cast<std::size_t>(sets.back()) : 0);  // of calibration matrices
  for (const int threads : counts) {
    SyncCost sync = measure_sync(threads);
    for (const BandwidthPoint& point : measure_bandwidth(threads, sets, kernels_for(isa).probes,
                                                         [&] { advance(1, formatted("memory, {} threads", threads)); }))
      machine.bandwidths.push_back(point);
    measure_peaks(threads, machine);
    advance(2, formatted("arithmetic, {} threads", threads));
    const auto kernels = [&](double weight) {
      return [&advance, threads, weight](double part, std::string_view what) {
        advance(kKernelSteps * weight * part, formatted("{}, {} threads", what, threads));
      };
    };
    if (options.kernels) {
      const std::vector<double> own = kernel_sets(machine.system, threads, sets.back());
      measure_kernels(threads, isa, own, 0.85 * machine.system.last_cache_bytes(), memory, machine.kernels,
                      kernels(0.7));
      measure_attention(threads, isa, own, machine.attention, kernels(0.15));
      measure_steps(threads, machine, sync, kernels(0.15));
    } else {
      advance(kKernelSteps, "");
    }
    machine.syncs.push_back(sync);
  }
  machine.measured_at = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  machine.measuring_seconds = now_seconds() - start;
  return machine;
}

Machine refreshed(Machine machine, int threads) {
  std::vector<double> sets;
  for (const BandwidthPoint& point : machine.bandwidths)
    if (point.threads == threads && point.working_set >= own_caches(machine.system, threads))
      sets.push_back(point.working_set);
  std::sort(sets.begin(), sets.end());
  if (!sets.empty())
    for (const BandwidthPoint& now : measure_bandwidth(threads, sets, active_kernels().probes, [] {}))
      for (BandwidthPoint& point : machine.bandwidths)
        if (point.threads == threads && point.working_set == now.working_set) point = now;
  SyncCost now = measure_sync(threads);
  for (SyncCost& then : machine.syncs) {
    const double moved = std::abs(std::log(std::max(now.barrier, 1e-10) / std::max(then.barrier, 1e-10)));
    if (then.threads != threads || then.layer == 0 || moved < kMoved) continue;
    std::erase_if(machine.steps, [&](const StepCost& step) { return step.threads == threads; });
    measure_steps(threads, machine, now, [](double, std::string_view) {});
    then = now;
  }
  return machine;
}

}  // namespace plumb
