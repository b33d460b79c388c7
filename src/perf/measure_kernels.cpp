#include "measure_kernels.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/quant/quantize.hpp"
#include "stopwatch.hpp"

namespace plumb {
namespace {

constexpr std::int64_t kCols = 2048;          // k of the calibration matrix
constexpr std::int64_t kRowsPerThread = 128;  // 128 x 2048 f32 are 1 MiB: half of a core's second-level cache
constexpr int kColumns[] = {1, 2, 4, 8, 16, 32, 128, 512};
constexpr int kRepeats = 5;
constexpr double kSlice = 1e-3;  // seconds of one repetition

/// Packed panels of random weights. All panels are equal: speed does not depend on the values, so 16 rows are
/// quantized and copied.
AlignedBuffer make_panels(DType type, std::int64_t rows) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  const std::size_t row = row_bytes(type, kCols), panel = panel_bytes(type, kCols);
  std::vector<float> values(static_cast<std::size_t>(kCols));
  AlignedBuffer file(row * static_cast<std::size_t>(kPanelRows));
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    for (float& value : values) value = normal(random);
    quantize_row(type, values.data(), file.data() + static_cast<std::size_t>(r) * row, kCols, nullptr,
                 QuantMethod::nearest);
  }
  AlignedBuffer panels(ops::packed_bytes(type, rows, kCols));
  pack_panel(type, file.data(), row, kPanelRows, kCols, panels.data());
  for (std::size_t at = panel; at < panels.size(); at += panel) std::memcpy(panels.data() + at, panels.data(), panel);
  return panels;
}

/// What every product of the calibration needs; made once.
class Bench {
 public:
  Bench(int team, Isa isa) : threads(team), kernels(kernels_for(isa)) {}

  const int threads;
  const KernelTable& kernels;
  std::int64_t rows = kRowsPerThread * threads;
  std::int64_t max_columns = *std::max_element(std::begin(kColumns), std::end(kColumns));
  std::vector<float> input = std::vector<float>(static_cast<std::size_t>(max_columns * kCols), 0.25f);
  std::vector<float> output = std::vector<float>(static_cast<std::size_t>(max_columns * rows));
  ops::ActivationBuffer prepared{max_columns, kCols};
  ops::MatmulScratch scratch{kCols, threads};

  /// Median multiply-adds per second of one product.
  double rate(const ops::WeightMatrix& weights, int columns) {
    const ops::Activations x{input.data(), columns, kCols, kCols, &prepared};
    const ops::MatmulTask task{&weights, output.data(), rows, nullptr, false};
    const ops::MatmulContext context{&kernels, &scratch, false};
    const double macs = static_cast<double>(rows * kCols) * columns;
    std::vector<double> rates;
    run_parallel(threads, [&](const Worker& worker) {
      ops::prepare_rows(worker, kernels, x, ops::ActivationForms::of(kernels, {&weights}, false));
      const double once = team_seconds(worker, [&] { ops::matmul(worker, context, {&task, 1}, x); });
      // The first worker's clock decides for all; the barrier inside team_seconds has made its value visible.
      if (worker.first()) passes_ = std::clamp(static_cast<int>(kSlice / std::max(once, 1e-9)), 1, 10000);
      for (int r = 0; r < kRepeats; ++r) {
        worker.barrier();
        const int passes = passes_;
        const double elapsed = team_seconds(worker, [&] {
          for (int p = 0; p < passes; ++p) ops::matmul(worker, context, {&task, 1}, x);
        });
        if (worker.first()) rates.push_back(macs * passes / elapsed);
      }
    });
    return median(rates);
  }

 private:
  int passes_ = 1;
};

}  // namespace

void measure_kernels(int threads, Isa isa, std::vector<KernelRate>& rates,
                     const std::function<void(double part, std::string_view type)>& step) {
  Bench bench(threads, isa);
  const auto computed = static_cast<double>(
      std::count_if(std::begin(kDTypes), std::end(kDTypes), [](const DTypeInfo& info) { return info.computed; }));
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const AlignedBuffer panels = make_panels(info.type, bench.rows);
    const ops::WeightMatrix weights{info.type, bench.rows, kCols, {}, panels.data()};
    for (const int columns : kColumns)
      rates.push_back({std::string(isa_name(isa)), info.type, threads, columns, bench.rate(weights, columns)});
    step(1 / computed, info.name);
  }
}

}  // namespace plumb
