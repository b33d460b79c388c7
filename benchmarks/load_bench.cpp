/// Loading a model: a file, or a Hugging Face folder.
///
///   PLUMB_MODEL=FILE_OR_FOLDER load_bench
///
/// `packed` makes the panels that kernels read, as every command does; `as_stored` leaves the matrices where they are
/// mapped (--no-repack), which shows what reading the description and the vocabulary takes.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "plumb/model/model.hpp"

namespace {

void load_model(benchmark::State& state, bool repack) {
  const char* const path = std::getenv("PLUMB_MODEL");
  if (!path) return state.SkipWithError("PLUMB_MODEL is not set");
  plumb::LoadOptions options;
  options.repack = repack;
  double bytes = 0;
  for (auto _ : state) bytes = static_cast<double>(plumb::Model::load(path, options).weight_bytes());
  state.counters["GB"] = bytes / 1e9;
  state.counters["GB/s"] = benchmark::Counter(bytes / 1e9, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK_CAPTURE(load_model, packed, true)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(load_model, as_stored, false)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
