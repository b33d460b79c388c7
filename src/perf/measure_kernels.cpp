#include "measure_kernels.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <string>

#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/quantize/quantize.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::int64_t kLongCols = 1792, kShortCols = 256;  // k of the calibration matrices
constexpr std::int64_t kRowsPerThread = 128;  // 128 x 1792 f32 are 0.9 MiB: less than a core's second-level cache
constexpr int kColumns[] = {1, 2, 4, 8, 16, 128, 512};
constexpr int kFewColumns[] = {1, 4, 16, 128, 512}, kDecodeColumns[] = {1, 4, 8};
constexpr int kRounds = 5;
constexpr double kSlice = 4e-4;  // seconds of one repetition

/// Panels of random weights of one matrix after the other, as many as memory holds. All panels are equal: speed does
/// not depend on the values, so 16 rows are quantized and copied.
void fill_panels(DType type, std::int64_t cols, AlignedBuffer& memory) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  const std::size_t row = row_bytes(type, cols), panel = panel_bytes(type, cols);
  std::vector<float> values(static_cast<std::size_t>(cols));
  AlignedBuffer file(row * static_cast<std::size_t>(kPanelRows));
  for (std::int64_t r = 0; r < kPanelRows; ++r) {
    for (float& value : values) value = normal(random);
    quantize_row(type, values.data(), file.data() + static_cast<std::size_t>(r) * row, cols, nullptr,
                 QuantMethod::nearest);
  }
  pack_panel(type, file.data(), row, kPanelRows, cols, memory.data());
  for (std::size_t at = panel; at + panel <= memory.size(); at += panel)
    std::memcpy(memory.data() + at, memory.data(), panel);
}

/// What every product of the calibration needs; made once for a team.
class Bench {
 public:
  Bench(int team, Isa isa, AlignedBuffer& memory) : threads_(team), kernels_(kernels_for(isa)), memory_(memory) {}

  /// Matrices of `type` and `cols` columns from here on.
  void use(DType type, std::int64_t cols) {
    // Short rows are more rows, so that a product takes as long.
    const std::int64_t rows = threads_ * kRowsPerThread * kLongCols / cols;
    first_ = {type, rows, cols, {}, memory_.data()};
    bytes_ = ops::packed_bytes(type, rows, cols);
    fill_panels(type, cols, memory_);
  }
  /// How many matrices are `set` bytes together.
  std::size_t count(double set) const {
    return std::clamp<std::size_t>(static_cast<std::size_t>(set) / bytes_, 1, memory_.size() / bytes_);
  }
  double working_set(std::size_t count) const { return static_cast<double>(count * bytes_); }

  /// Multiply-adds per second at each of `columns`, and bytes per second of the read loop: over rounds that
  /// take turns, so that a disturbance spoils one round of each.
  struct Rates {
    std::vector<double> macs;
    double bandwidth = 0;
  };
  Rates rates(std::size_t count, std::span<const int> columns) {
    const std::size_t jobs = columns.size() + 1;  // the last one reads
    std::vector<std::size_t> passes(jobs, 0);
    std::vector<std::vector<double>> seconds(jobs);  // of one matrix
    run_parallel(threads_, [&](const Worker& worker) {
      std::size_t next = 0;  // matrix: goes on where the last job ended, so that a large set is never met in a cache
      for (int round = -1; round < kRounds; ++round)
        for (std::size_t j = 0; j < jobs; ++j) {
          const int width = j < columns.size() ? columns[j] : 0;
          if (width > 0) prepare(worker, width);
          const auto run = [&](std::size_t times) {
            for (; times > 0; --times) {
              width > 0 ? multiply(worker, next, width) : read(worker, next);
              next = next + 1 == count ? 0 : next + 1;
            }
          };
          const std::size_t few = std::min<std::size_t>(count, 4);
          const double elapsed = team_seconds(worker, [&] { run(round < 0 ? few : passes[j]); });
          if (round >= 0 && worker.first()) seconds[j].push_back(elapsed / static_cast<double>(passes[j]));
          if (round >= 0) continue;
          // As often as a slice of time allows; and so often right now that a set which fits a cache is in it.
          if (worker.first())
            passes[j] = static_cast<std::size_t>(
                std::clamp(kSlice * static_cast<double>(few) / std::max(elapsed, 1e-9), 1.0, 1e4));
          worker.barrier();
          if (j == 0) run(std::min(2 * count, passes[j]));
        }
    });
    Rates rates;
    const auto weights = static_cast<double>(first_.rows * first_.cols);
    for (std::size_t j = 0; j < columns.size(); ++j)
      rates.macs.push_back(weights * columns[j] / lower_quartile(seconds[j]));
    rates.bandwidth = static_cast<double>(bytes_) / lower_quartile(seconds.back());
    return rates;
  }

 private:
  static constexpr int kMostColumns = kColumns[std::size(kColumns) - 1];

  ops::Activations activations(int columns) { return {input_.data(), columns, first_.cols, first_.cols, &prepared_}; }
  void prepare(const Worker& worker, int columns) {
    worker.barrier();  // everybody is done with the last ones
    ops::prepare_rows(worker, kernels_, activations(columns), ops::ActivationForms::of(kernels_, {&first_}, false));
  }
  void multiply(const Worker& worker, std::size_t index, int columns) {
    ops::WeightMatrix weights = first_;
    weights.panels += index * bytes_;
    const ops::MatmulTask task{&weights, output_.data(), first_.rows, nullptr, false};
    ops::matmul(worker, {&kernels_, &scratch_, false}, {&task, 1}, activations(columns));
  }
  /// The bytes that this worker multiplies with.
  void read(const Worker& worker, std::size_t index) const {
    const Range rows = ops::matmul_rows(worker, first_);
    const std::size_t panel = panel_bytes(first_.type, first_.cols);
    const auto panels = static_cast<std::size_t>(rows.size() / kPanelRows);
    const std::byte* const from =
        first_.panels + index * bytes_ + static_cast<std::size_t>(rows.begin / kPanelRows) * panel;
    keep(kernels_.probes.read(from, panels * panel / 512 * 512));
  }

  const int threads_;
  const KernelTable& kernels_;
  AlignedBuffer& memory_;
  ops::WeightMatrix first_;
  std::size_t bytes_ = 1;  // of one matrix
  std::vector<float> input_ = std::vector<float>(static_cast<std::size_t>(kMostColumns * kLongCols), 0.25f);
  std::vector<float> output_ =
      std::vector<float>(static_cast<std::size_t>(kMostColumns * threads_ * kRowsPerThread * kLongCols / kShortCols));
  ops::ActivationBuffer prepared_{kMostColumns, kLongCols};
  ops::MatmulScratch scratch_{kLongCols, threads_};
};

}  // namespace

void measure_kernels(int threads, Isa isa, const std::vector<double>& working_sets, double edge, AlignedBuffer& memory,
                     std::vector<KernelRate>& rates, const Step& step) {
  Bench bench(threads, isa, memory);
  const auto computed = static_cast<double>(
      std::count_if(std::begin(kDTypes), std::end(kDTypes), [](const DTypeInfo& info) { return info.computed; }));
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const auto add = [&](std::int64_t cols, std::size_t count, std::span<const int> columns) {
      const Bench::Rates own = bench.rates(count, columns);
      for (std::size_t c = 0; c < columns.size(); ++c)
        rates.push_back({std::string(isa_name(isa)), info.type, threads, columns[c], own.macs[c],
                         bench.working_set(count), static_cast<double>(cols), own.bandwidth});
    };
    // Short rows in the second set tell what an output costs beyond its multiply-adds.
    bench.use(info.type, kShortCols);
    add(kShortCols, bench.count(working_sets[std::min<std::size_t>(1, working_sets.size() - 1)]), kFewColumns);
    bench.use(info.type, kLongCols);
    std::size_t last = 0;
    for (const double set : working_sets) {
      const std::size_t count = bench.count(set);
      if (count == last) continue;  // a wide type in a small cache: one matrix is more than was asked for
      last = count;
      add(kLongCols, count, kColumns);
    }
    if (const std::size_t count = bench.count(edge); count < last) add(kLongCols, count, kDecodeColumns);
    step(1 / computed, info.name);
  }
}

}  // namespace plumb
