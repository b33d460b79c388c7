// What is neither product nor attention, and what meeting costs: read off the forward passes of small random models.

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "measure_kernels.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "plumb/perf/ledger.hpp"
#include "stopwatch.hpp"

namespace plumb {
namespace {

constexpr int kRows[] = {1, 4, 16, 128, 512};
constexpr int kRepeats = 9;
constexpr double kSlice = 1e-3;

/// A Llama shape that no known model has.
ModelConfig probe(int layers, int heads, int ffn) {
  ModelConfig config;
  config.architecture = "llama";
  config.name = "probe";
  config.vocab_size = 512;
  config.n_layers = layers;
  config.head_dim = 64;
  config.width = heads * config.head_dim;
  config.n_heads = heads;
  config.n_kv_heads = 1;
  config.ffn_dim = ffn;
  config.context = 1024;
  return config;
}

/// Seconds of passes of one model, in median and by operation.
struct Probe {
  explicit Probe(const ModelConfig& shape, DType type, int threads)
      : config(shape),
        session(Model::random(shape, type),
                {.context = 2 * kRows[std::size(kRows) - 1], .threads = threads, .kv = DType::f16}) {
    session.set_trace(&trace);
  }

  /// Median pass of `rows` rows after an empty cache.
  void run(int rows) {
    batch.clear();
    for (int i = 0; i < rows; ++i) batch.push_back({i % 512, i, 0, i + 1 == rows});
    std::vector<std::pair<double, std::array<double, std::size(kAllOps)>>> runs;
    trace.clear();
    pass();
    const int passes = std::clamp(static_cast<int>(kSlice / std::max(trace.seconds(), 1e-9)), 1, 1000);
    for (int r = 0; r < kRepeats; ++r) {
      trace.clear();
      for (int p = 0; p < passes; ++p) pass();
      auto& [total, by_op] = runs.emplace_back();
      total = trace.seconds() / passes;
      for (const Op op : kAllOps) by_op[static_cast<std::size_t>(op)] = trace.longest(static_cast<int>(op)) / passes;
    }
    std::sort(runs.begin(), runs.end());
    seconds = runs[kRepeats / 2].first;
    ops = runs[kRepeats / 2].second;
  }
  double meeting() const {
    double rest = seconds;
    for (const double op : ops) rest -= op;
    return std::max(0.0, rest);
  }

  ModelConfig config;
  Session session;
  Trace trace;
  std::vector<BatchRow> batch;
  double seconds = 0;
  std::array<double, std::size(kAllOps)> ops{};

 private:
  void pass() {
    session.clear();
    session.forward(batch);
  }
};

constexpr Op kSteps[] = {Op::embedding,  Op::attn_norm, Op::rope,     Op::ffn_norm,
                         Op::activation, Op::quantize,  Op::head_norm};

}  // namespace

void measure_steps(int threads, std::vector<StepCost>& costs, SyncCost& sync, const Step& step) {
  for (const DType type : {DType::q4_0, DType::f16}) {
    Probe narrow(probe(4, 3, 512), type, threads), wide(probe(2, 21, 3840), type, threads);
    for (Probe* const model : {&narrow, &wide})
      for (const int rows : kRows) {
        model->run(rows);
        const Ledger ledger = pass_work(model->config, {.weights = type, .kv = DType::f16, .tokens = rows});
        for (const Op op : kSteps) {
          const double occurrences = static_cast<double>(
              std::count_if(ledger.ops.begin(), ledger.ops.end(), [&](const OpWork& work) { return work.op == op; }));
          const double elements = ledger.sum_of(op).values();
          const int own = op == Op::head_norm ? 1 : rows;
          if (op == Op::head_norm && rows > 1) continue;
          costs.push_back({op, type == DType::q4_0, threads, own, elements / occurrences / own,
                           model->ops[static_cast<std::size_t>(op)] / occurrences});
        }
      }
    step(0.4, "probe models");
  }
  // Meetings take what the operations leave of a pass: by layer, from two models that differ in their number.
  Probe shallow(probe(2, 3, 512), DType::q4_0, threads), deep(probe(14, 3, 512), DType::q4_0, threads);
  shallow.run(1);
  deep.run(1);
  sync.layer = std::max(0.0, (deep.meeting() - shallow.meeting()) / 12);
  sync.pass = std::max(0.0, shallow.meeting() - 2 * sync.layer);
  step(0.2, "probe models");
}

}  // namespace plumb
