#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "measure_kernels.hpp"
#include "plumb/blocks/state.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/attention.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kHeads = 8;  // KV heads: every team has as much to do as the next
constexpr int kShort = 16, kLong = 512, kPrompt = 256;
constexpr int kHeadDims[] = {48, 112};  // of no known model
constexpr int kGroups[] = {1, 2, 4, 8};
constexpr int kRounds = 5;
constexpr double kSlice = 5e-4;

/// Keys and values of as many layers as make `set` bytes, all zeros: speed does not depend on the values.
SessionState make_cache(DType kv, int head_dim, double set) {
  const auto layers = [&](std::size_t n) {
    const std::vector<LayerState> all(n, KvState{kHeads, head_dim, head_dim, 0});
    return SessionState(all, {.context = kLong, .kv = kv});
  };
  const auto layer = static_cast<double>(layers(1).bytes());
  SessionState cache = layers(static_cast<std::size_t>(std::max(1.0, set / layer)));
  std::memset(cache.memory().data(), 0, cache.memory().size());
  return cache;
}

/// Attention over a cache, layer after layer.
class Layers {
 public:
  Layers(Isa isa, SessionState& cache, int layers, int head_dim, int group, int threads)
      : kernels_(kernels_for(isa)), cache_(cache), layers_(layers), threads_(threads) {
    shape_.n_heads = kHeads * group;
    shape_.n_kv_heads = kHeads;
    shape_.k_dim = shape_.v_dim = head_dim;
    scratch_ = ops::AttentionScratch(shape_, threads, kLong);
    values_.assign(static_cast<std::size_t>(kPrompt) * static_cast<std::size_t>(shape_.n_heads * head_dim), 0.5f);
    out_ = values_;
  }

  /// Seconds of a layer for `count` rows, the last of them at position `end` - 1. `rounded` as in AttentionCall.
  double seconds(int count, int end, bool rounded) {
    std::vector<ops::AttentionRow> rows;
    rows.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) rows.push_back({end - count + i, 0});
    const std::int64_t width = std::int64_t{shape_.n_heads} * shape_.k_dim;
    return time([&](const Worker& worker, int layer) {
      const ops::KvLayer kv = cache_.kv(layer);
      ops::attention(worker, {&kernels_, &shape_, &kv, rows, values_.data(), width, out_.data(), width, rounded},
                     scratch_);
      worker.barrier();
    });
  }
  /// Bytes per second of the read loop over the cache, as many at a time as a layer has.
  double bandwidth() {
    const std::size_t layer = cache_.bytes() / static_cast<std::size_t>(layers_);
    const double elapsed = time([&](const Worker& worker, int l) {
      const Range mine = worker.share(static_cast<std::int64_t>(layer), 512);
      const auto bytes = static_cast<std::size_t>(mine.size()) / 512 * 512;
      const std::byte* const own = cache_.memory().data() + static_cast<std::size_t>(l) * layer;
      if (bytes > 0) keep(kernels_.probes.read(own + mine.begin, bytes));
    });
    return static_cast<double>(layer) / elapsed;
  }

 private:
  /// Seconds of body(worker, layer), layer after layer.
  template <class Body>
  double time(const Body& body) {
    std::vector<double> times;
    int passes = 1;
    run_parallel(threads_, [&](const Worker& worker) {
      int next = 0;
      const auto run = [&](int n) {
        for (int i = 0; i < n; ++i) {
          body(worker, next);
          next = next + 1 == layers_ ? 0 : next + 1;
        }
      };
      run(1);
      const double once = team_seconds(worker, [&] { run(1); });
      if (worker.first()) passes = std::clamp(static_cast<int>(kSlice / std::max(once, 1e-9)), 2, 10000);
      worker.barrier();
      const int n = passes;
      run(std::min(n, 2 * layers_));  // into the caches, where they hold it
      for (int r = 0; r < kRounds; ++r) {
        const double elapsed = team_seconds(worker, [&] { run(n); });
        if (worker.first()) times.push_back(elapsed / n);
      }
    });
    return lower_quartile(times);
  }

  const KernelTable& kernels_;
  SessionState& cache_;
  int layers_, threads_;
  ops::AttentionShape shape_;
  ops::AttentionScratch scratch_;
  std::vector<float> values_, out_;
};

}  // namespace

void measure_attention(int threads, Isa isa, const std::vector<double>& working_sets, std::vector<AttentionCost>& costs,
                       const Step& step) {
  const double parts = static_cast<double>(3 * std::size(kHeadDims) * working_sets.size());
  for (const DType kv : {DType::f32, DType::f16, DType::i8})
    for (const int dim : kHeadDims)
      for (const double set : working_sets) {
        SessionState cache = make_cache(kv, dim, set);
        const auto bytes = static_cast<double>(cache.bytes());
        const int layers = static_cast<int>(bytes / static_cast<double>(make_cache(kv, dim, 0).bytes()));
        double bandwidth = 0;
        for (const int group : kGroups) {
          Layers all(isa, cache, layers, dim, group, threads);
          if (bandwidth == 0) bandwidth = all.bandwidth();
          for (const bool rounded : {false, true}) {
            if (rounded && (kv == DType::f32 || kernels_for(isa).probes.bf16.run == nullptr))
              continue;  // makes no difference
            AttentionCost cost{std::string(isa_name(isa)), kv, threads, dim, group, 1, 0, 0, bytes, bandwidth, rounded};
            const double less = all.seconds(1, kShort, rounded), more = all.seconds(1, kLong, rounded);
            cost.score = std::max(0.0, (more - less) / ((kLong - kShort) * kHeads));
            cost.start = std::max(0.0, less / kHeads - cost.score * kShort);
            costs.push_back(cost);
            if (set > working_sets.front()) continue;  // many rows share what they read: arithmetic decides
            const auto scores = [](double end) { return kHeads * kPrompt * (end - (kPrompt - 1) / 2.0); };
            cost.rows = kPrompt;
            const double first = all.seconds(kPrompt, kPrompt, rounded), last = all.seconds(kPrompt, kLong, rounded);
            cost.score = std::max(0.0, (last - first) / (scores(kLong) - scores(kPrompt)));
            cost.start = std::max(0.0, (first - cost.score * scores(kPrompt)) / (kHeads * kPrompt));
            costs.push_back(cost);
          }
        }
        step(1 / parts, "attention");
      }
}

}  // namespace plumb
