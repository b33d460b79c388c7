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

constexpr std::int64_t kCols = 1792;          // k of the calibration matrices
constexpr std::int64_t kRowsPerThread = 128;  // 128 x 1792 f32 are 0.9 MiB: less than a core's second-level cache
constexpr int kColumns[] = {1, 2, 4, 8, 9, 16, 32, 128, 512};
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
  std::int64_t rows = kRowsPerThread * threads;  // of one matrix
  std::int64_t max_columns = *std::max_element(std::begin(kColumns), std::end(kColumns));
  std::vector<float> input = std::vector<float>(static_cast<std::size_t>(max_columns * kCols), 0.25f);
  std::vector<float> output = std::vector<float>(static_cast<std::size_t>(max_columns * rows));
  ops::ActivationBuffer prepared{max_columns, kCols};
  ops::MatmulScratch scratch{kCols, threads};

  /// Median multiply-adds per second of products with matrices that lie one after the other, each in turn.
  double rate(DType type, const AlignedBuffer& panels, std::size_t count, int columns) {
    const ops::WeightMatrix first{type, rows, kCols, {}, panels.data()};
    const std::size_t bytes = ops::packed_bytes(type, rows, kCols);
    const ops::Activations x{input.data(), columns, kCols, kCols, &prepared};
    const ops::MatmulContext context{&kernels, &scratch, false};
    const double macs = static_cast<double>(rows * kCols) * columns;
    std::vector<double> rates;
    run_parallel(threads, [&](const Worker& worker) {
      std::size_t next = next_ % count;
      worker.barrier();  // everybody has read it
      const auto multiply = [&](std::size_t products) {
        for (std::size_t p = 0; p < products; ++p) {
          ops::WeightMatrix weights = first;
          weights.panels += next * bytes;
          const ops::MatmulTask task{&weights, output.data(), rows, nullptr, false};
          ops::matmul(worker, context, {&task, 1}, x);
          next = next + 1 == count ? 0 : next + 1;
        }
      };
      ops::prepare_rows(worker, kernels, x, ops::ActivationForms::of(kernels, {&first}, false));
      worker.barrier();
      // Two rounds through everything before the clock counts, so that a set that fits a cache is in it; but no more
      // than a slice of time, for then it does not matter.
      const double once = team_seconds(worker, [&] { multiply(std::min<std::size_t>(count, 4)); });
      if (worker.first())
        passes_ = std::clamp<std::size_t>(
            static_cast<std::size_t>(kSlice * static_cast<double>(std::min<std::size_t>(count, 4)) /
                                     std::max(once, 1e-9)),
            1, 10000);
      worker.barrier();
      const std::size_t passes = passes_;
      multiply(std::min(2 * count, passes));
      for (int r = 0; r < kRepeats; ++r) {
        const double elapsed = team_seconds(worker, [&] { multiply(passes); });
        if (worker.first()) rates.push_back(macs * static_cast<double>(passes) / elapsed);
      }
      if (worker.first()) next_ = next;
    });
    return median(rates);
  }

 private:
  std::size_t passes_ = 1;
  std::size_t next_ = 0;  // matrix: where the last product ended, so that a large set is never met twice in a cache
};

}  // namespace

void measure_kernels(int threads, Isa isa, const std::vector<double>& working_sets, std::vector<KernelRate>& rates,
                     const Step& step) {
  Bench bench(threads, isa);
  const auto computed = static_cast<double>(
      std::count_if(std::begin(kDTypes), std::end(kDTypes), [](const DTypeInfo& info) { return info.computed; }));
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const std::size_t matrix = ops::packed_bytes(info.type, bench.rows, kCols);
    const auto most = std::max<std::size_t>(1, static_cast<std::size_t>(working_sets.back()) / matrix);
    const AlignedBuffer panels = make_panels(info.type, bench.rows * static_cast<std::int64_t>(most));
    std::size_t last = 0;
    for (const double set : working_sets) {
      const auto count = std::clamp<std::size_t>(static_cast<std::size_t>(set) / matrix, 1, most);
      if (count == last) continue;  // a wide type in a small cache: one matrix is more than was asked for
      last = count;
      for (const int columns : kColumns)
        rates.push_back({std::string(isa_name(isa)), info.type, threads, columns,
                         bench.rate(info.type, panels, count, columns), static_cast<double>(count * matrix)});
    }
    step(1 / computed, info.name);
  }
}

}  // namespace plumb
