#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "measure_kernels.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/model/kv_cache.hpp"
#include "plumb/ops/attention.hpp"
#include "stopwatch.hpp"

namespace plumb {
namespace {

constexpr int kHeads = 8;  // KV heads: every team has as much to do as the next
constexpr int kShort = 16, kLong = 1024, kPrompt = 256;
constexpr int kHeadDims[] = {48, 112};  // of no known model
constexpr int kGroups[] = {1, 2, 4, 8};
constexpr int kRepeats = 5;
constexpr double kSlice = 5e-4;

/// Attention of one layer over a cache of zeros: speed does not depend on the values.
class Layer {
 public:
  Layer(const KernelTable& kernels, DType kv, int head_dim, int group, int threads)
      : kernels_(kernels), threads_(threads) {
    shape_.n_heads = kHeads * group;
    shape_.n_kv_heads = kHeads;
    shape_.k_dim = shape_.v_dim = head_dim;
    ModelConfig config;
    config.n_layers = 1;
    config.n_heads = shape_.n_heads;
    config.n_kv_heads = kHeads;
    config.head_dim = head_dim;
    cache_ = KvCache(config, kLong, 1, kv);
    std::memset(cache_.layer(0).base, 0, cache_.bytes());
    scratch_ = ops::AttentionScratch(shape_, threads, kLong);
    values_.assign(static_cast<std::size_t>(kPrompt) * static_cast<std::size_t>(shape_.n_heads * head_dim), 0.5f);
    out_ = values_;
  }

  /// Median seconds for `count` rows, the last of them at position `end` - 1.
  double seconds(int count, int end) {
    std::vector<ops::AttentionRow> rows;
    rows.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) rows.push_back({end - count + i, 0});
    const std::int64_t width = std::int64_t{shape_.n_heads} * shape_.k_dim;
    const ops::KvLayer kv = cache_.layer(0);
    std::vector<double> times;
    int passes = 1;
    run_parallel(threads_, [&](const Worker& worker) {
      const auto attend = [&](int n) {
        for (int i = 0; i < n; ++i) {
          // `rounded`, as for quantized weights; an f32 cache keeps f32 all the same.
          ops::attention(worker, {&kernels_, &shape_, &kv, rows, values_.data(), width, out_.data(), width, true},
                         scratch_);
          if (n > 1) worker.barrier();
        }
      };
      attend(1);
      const double once = team_seconds(worker, [&] { attend(1); });
      if (worker.first()) passes = std::clamp(static_cast<int>(kSlice / std::max(once, 1e-9)), 2, 10000);
      worker.barrier();
      const int n = passes;
      for (int r = 0; r < kRepeats; ++r) {
        const double elapsed = team_seconds(worker, [&] { attend(n); });
        if (worker.first()) times.push_back(elapsed / n);
      }
    });
    return median(times);
  }

 private:
  const KernelTable& kernels_;
  int threads_;
  ops::AttentionShape shape_;
  KvCache cache_;
  ops::AttentionScratch scratch_;
  std::vector<float> values_, out_;
};

}  // namespace

void measure_attention(int threads, Isa isa, std::vector<AttentionCost>& costs, const Step& step) {
  const KernelTable& kernels = kernels_for(isa);
  for (const DType kv : {DType::f32, DType::f16, DType::i8})
    for (const int dim : kHeadDims)
      for (const int group : kGroups) {
        Layer layer(kernels, kv, dim, group, threads);
        AttentionCost cost{std::string(isa_name(isa)), kv, threads, dim, group, 1, 0, 0};
        const double less = layer.seconds(1, kShort), more = layer.seconds(1, kLong);
        cost.score = std::max(0.0, (more - less) / ((kLong - kShort) * kHeads));
        cost.start = std::max(0.0, less / kHeads - cost.score * kShort);
        costs.push_back(cost);
        const auto scores = [](double end) { return kHeads * kPrompt * (end - (kPrompt - 1) / 2.0); };
        cost.rows = kPrompt;
        cost.score = layer.seconds(kPrompt, 3 * kPrompt) / scores(3 * kPrompt);
        cost.start =
            std::max(0.0, (layer.seconds(kPrompt, kPrompt) - cost.score * scores(kPrompt)) / (kHeads * kPrompt));
        costs.push_back(cost);
        step(1.0 / static_cast<double>(3 * std::size(kHeadDims) * std::size(kGroups)), "attention");
      }
}

}  // namespace plumb
