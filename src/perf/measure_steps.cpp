// What is neither product nor attention, what these take beyond their kernels, and what meeting costs: read off the
// forward passes of small random models.

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <variant>
#include <vector>

#include "measure_kernels.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "plumb/perf/ledger.hpp"
#include "plumb/perf/predict.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kRows[] = {1, 4, 16, 128, 512};
constexpr int kSideBySide = 4;  // up to so many rows are decoded, one of each sequence; more are a prompt
constexpr int kRounds = 7;
constexpr double kSlice = 1e-3;

/// A Llama shape that no known model has.
ModelSpec probe(int layers, int heads, int kv_heads, int ffn) {
  constexpr int kHeadDim = 48;
  return llama_spec({"probe", 512, heads * kHeadDim, layers, heads, kv_heads, kHeadDim, ffn, 1024});
}

/// The same with a delta net in the place of attention and with experts: `heads` of both recurrent kinds of values.
ModelSpec probe_of_mixtures(int heads, int experts) {
  constexpr int kStateDim = 64;
  ModelSpec spec = probe(1, heads, heads, 96);
  LayerSpec& layer = spec.layers.front();
  layer.mixer = DeltaNetSpec{heads, heads, kStateDim, kStateDim, 4};
  layer.ffn = ExpertsSpec{.count = experts, .used = experts / 8, .expert = std::get<DenseSpec>(layer.ffn)};
  return spec;
}
constexpr Op kOpsOfMixtures[] = {Op::router, Op::convolution, Op::recurrence};

/// Seconds of passes of one model, in a good run and by operation.
class ProbeModel {
 public:
  ProbeModel(const ModelSpec& shape, DType weights, int threads)
      : spec(shape),
        type(weights),
        session_(
            Model::random(shape, weights),
            {.context = kRows[std::size(kRows) - 1], .threads = threads, .sequences = kSideBySide, .kv = DType::f16}) {}

  const ModelSpec spec;
  const DType type;
  double seconds = 0;                          ///< of a pass without a trace
  std::array<double, std::size(kAllOps)> ops;  ///< of a pass with one: work of the busiest worker

  /// Passes of `rows` rows after an empty cache, with a trace and without in turns.
  void run(int rows) {
    batch_.clear();
    const bool prompt = rows > kSideBySide;
    for (int i = 0; i < rows; ++i)
      batch_.push_back(prompt ? BatchRow{0, i, 0, i + 1 == rows} : BatchRow{0, 0, i, true});
    std::vector<double> whole;
    std::array<std::vector<double>, std::size(kAllOps)> parts;
    pass();
    const double once = timed(1);
    const int passes = std::clamp(static_cast<int>(kSlice / std::max(once, 1e-9)), 1, 1000);
    for (int r = 0; r < kRounds; ++r) {
      whole.push_back(timed(passes));
      trace_.clear();
      session_.set_trace(&trace_);
      timed(passes);
      session_.set_trace(nullptr);
      for (std::size_t op = 0; op < parts.size(); ++op)
        parts[op].push_back(trace_.longest(static_cast<int>(op)) / passes);
    }
    seconds = lower_quartile(whole);
    for (std::size_t op = 0; op < parts.size(); ++op) ops[op] = lower_quartile(parts[op]);
  }
  /// The ledger of the last pass.
  Ledger work(bool bf16_dot) const {
    const auto rows = static_cast<std::int64_t>(batch_.size());
    const bool prompt = rows > kSideBySide;
    return pass_work(spec, {.weights = type,
                            .kv = DType::f16,
                            .tokens = prompt ? rows : 1,
                            .sequences = prompt ? 1 : rows,
                            .bf16_dot = bf16_dot});
  }
  double busy() const {
    double sum = 0;
    for (const double op : ops) sum += op;
    return sum;
  }
  double meeting() const { return std::max(0.0, seconds - busy()); }

 private:
  /// Tokens change from pass to pass: with the same values again and again, branches would be foreseen that no real
  /// pass foresees.
  void pass() {
    for (int s = 0; s < kSideBySide; ++s) session_.clear(s);
    for (BatchRow& row : batch_) row.token = static_cast<Token>(random_() % static_cast<unsigned>(spec.vocab_size));
    session_.forward(batch_);
  }
  double timed(int passes) {
    const double start = now_seconds();
    for (int p = 0; p < passes; ++p) pass();
    return (now_seconds() - start) / passes;
  }

  Session session_;
  Trace trace_;
  std::vector<BatchRow> batch_;
  std::minstd_rand random_{1};
};

/// Adds what the last pass of `probe` took of each of these operations, beyond what the machine predicts for its
/// kernels so far.
void add_steps(const ProbeModel& probe, std::span<const Op> ops, int rows, int threads, const Machine& kernels,
               std::vector<StepCost>& costs) {
  const Ledger ledger = probe.work(kernels.peak(Arithmetic::bf16, 1) > 0);
  const Prediction known = predict(ledger, kernels, threads);
  for (const Op op : ops) {
    double occurrences = 0, elements = 0;
    for (const OpWork& work : ledger.ops) {
      if (work.op != op) continue;
      const double own = work.matrix.rows > 0 ? work.matrix.tokens : op == Op::head_norm ? 1 : rows;
      ++occurrences;
      elements += work.matrix.rows > 0 ? work.matrix.cols : work.elements(own);
    }
    if (occurrences == 0) continue;
    const bool has_kernel = op == Op::attention || ledger.sum_of(op).matrix.rows > 0;
    const double seconds = probe.ops[static_cast<std::size_t>(op)] - (has_kernel ? known.sum_of(op).seconds : 0);
    const bool last_rows = op == Op::head || op == Op::head_norm;  // of those that ask, however many rows there are
    if (last_rows && rows > kSideBySide) continue;
    costs.push_back({op, dtype_info(probe.type).quantized(), threads, op == Op::head_norm ? 1 : rows,
                     elements / occurrences, std::max(0.0, seconds / occurrences)});
  }
}

}  // namespace

void measure_steps(int threads, Machine& machine, SyncCost& sync, const Step& step) {
  // Meetings take what the operations leave of a pass: by layer, from two models that differ in their number.
  ProbeModel shallow(probe(2, 4, 2, 448), DType::q4_0, threads), deep(probe(14, 4, 2, 448), DType::q4_0, threads);
  shallow.run(1);
  deep.run(1);
  sync.layer = std::max(0.0, (deep.meeting() - shallow.meeting()) / 12);
  sync.pass = std::max(0.0, shallow.meeting() - 2 * sync.layer);
  step(0.2, "probe models");

  Machine kernels = machine;
  kernels.steps.clear();  // steps are what goes beyond the kernels
  double waited = 0, worked = 0;
  for (const DType type : {DType::q4_0, DType::f16})
    for (const ModelSpec& shape : {probe(1, 4, 2, 448), probe(2, 10, 5, 1312), probe(1, 18, 6, 2336)}) {
      ProbeModel model(shape, type, threads);
      for (const int rows : kRows) {
        model.run(rows);
        add_steps(model, kAllOps, rows, threads, kernels, machine.steps);
        waited += std::max(0.0, model.meeting() - shape.n_layers() * sync.layer - sync.pass) / model.busy();
        worked += 1;
      }
      step(0.7 / 6, "probe models");
    }
  for (const ModelSpec& shape : {probe_of_mixtures(4, 16), probe_of_mixtures(16, 64)}) {
    ProbeModel model(shape, DType::q4_0, threads);
    for (const int rows : kRows) {
      model.run(rows);
      add_steps(model, kOpsOfMixtures, rows, threads, kernels, machine.steps);
    }
    step(0.05, "probe models");
  }
  if (threads > 1) sync.skew = waited / worked;
}

}  // namespace plumb
