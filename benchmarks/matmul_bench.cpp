/// Products of one weight type in one kernel tier with 1, 4, 16 and 512 columns (tokens), on one thread.
///
/// Counters:
///   GOP/s       multiplies and adds per second (2 * rows * cols * columns per product)
///   GB/s        weight bytes per second
///   %dot        GOP/s as part of the tier's own register-only peak for the arithmetic it uses, measured at the start
///   %read       GB/s as part of what one thread can read from memory, measured at the start
///
/// One column walks over matrices that no cache holds, as decoding does; more columns use one matrix of 2048 x 2048.
/// PLUMB_ISA has no influence here: every tier that this machine can run has its rows. Filter with
/// --benchmark_filter='avx512_vnni/Q4_0'.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/model/random_rows.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/perf/machine.hpp"
#include "plumb/quant/formats.hpp"

namespace plumb {
namespace {

constexpr std::int64_t kCols = 2048, kRows = 2048;
/// Beyond any last-level cache that the guest of a large machine may see the whole of.
constexpr std::size_t kStreamBytes = std::size_t{1} << 30;

/// What one thread of this machine can do at best.
const Machine& machine() {
  static const Machine measured = measure_machine({.threads = {1}, .kernels = false});
  return measured;
}

double peak(Isa isa, Arithmetic kind) {
  for (const PeakRate& rate : machine().peaks)
    if (rate.isa == isa_name(isa) && rate.kind == kind && rate.threads == 1) return rate.per_second;
  return 0;
}

/// Panels of `count` matrices of one type. Only 16 rows are random; speed does not depend on the values.
AlignedBuffer make_panels(DType type, std::size_t count) {
  const RandomRows random(type, kCols, 0.02, 1);
  std::vector<std::byte> rows(random.row_bytes() * kPanelRows);
  for (std::int64_t r = 0; r < kPanelRows; ++r)
    random.fill(r, rows.data() + static_cast<std::size_t>(r) * random.row_bytes());
  const std::size_t bytes = panel_bytes(type, kCols);
  AlignedBuffer panels(count * ops::packed_bytes(type, kRows, kCols));
  pack_panel(type, rows.data(), random.row_bytes(), kPanelRows, kCols, panels.data());
  for (std::size_t at = bytes; at < panels.size(); at += bytes) std::memcpy(panels.data() + at, panels.data(), bytes);
  return panels;
}

void product(benchmark::State& state, Isa isa, DType type) {
  const auto columns = state.range(0);
  const KernelTable& kernels = kernels_for(isa);
  const std::size_t matrix = ops::packed_bytes(type, kRows, kCols);
  const std::size_t count = columns == 1 ? kStreamBytes / matrix : 1;
  const AlignedBuffer panels = make_panels(type, count);
  std::vector<float> input(static_cast<std::size_t>(columns * kCols)),
      output(static_cast<std::size_t>(columns * kRows));
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
  ops::ActivationBuffer prepared(columns, kCols);
  ops::MatmulScratch scratch(kCols, 1);
  const ops::Activations x{input.data(), columns, kCols, kCols, &prepared};
  ops::WeightMatrix weights{type, kRows, kCols, {}, panels.data()};
  const ops::MatmulTask task{&weights, output.data(), kRows, nullptr, false};
  ops::prepare_rows(Worker{}, kernels, x, ops::ActivationForms::of(kernels, {&weights}, false));
  std::size_t next = 0;
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    weights.panels = panels.data() + next * matrix;
    next = (next + 1) % count;
    ops::matmul(Worker{}, {&kernels, &scratch, false}, {&task, 1}, x);
    benchmark::DoNotOptimize(output.data());
    benchmark::ClobberMemory();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const double per_second = static_cast<double>(state.iterations()) / elapsed.count();
  const double operations = 2.0 * kRows * kCols * static_cast<double>(columns) * per_second;
  const double bytes = static_cast<double>(weights.bytes()) * per_second;
  const ActivationForm form = kernels.matmul_for(type).activations;
  const double dots = peak(isa, form == ActivationForm::int8   ? Arithmetic::int8
                                : form == ActivationForm::bf16 ? Arithmetic::bf16
                                                               : Arithmetic::f32);
  state.counters["GOP/s"] = operations / 1e9;
  state.counters["GB/s"] = bytes / 1e9;
  if (dots > 0) state.counters["%dot"] = 100 * operations / dots;
  state.counters["%read"] = 100 * bytes / machine().memory_bandwidth(1);
}

const int registered = [] {
  for (const Isa isa : kAllIsas)
    for (const DType type : kWeightTypes) {
      if (!isa_usable(isa) || !kernels_for(isa).matmul_for(type).available()) continue;
      const std::string name = std::string(isa_name(isa)) + "/" + std::string(dtype_name(type));
      auto* const bench = benchmark::RegisterBenchmark(name.c_str(), product, isa, type);
      bench->ArgName("columns")->Arg(1)->Arg(4)->Arg(16)->Arg(512)->Unit(benchmark::kMicrosecond)->MinTime(0.1);
    }
  return 0;
}();

}  // namespace
}  // namespace plumb
