// Attention: decoding one row deep in a sequence, and a prompt of 512 rows, for every tier and KV type. Counters: GB/s
// of keys and values read by decoding, GFLOP/s of the products q.k and weight * v (2 operations each), padding and
// masked halves of tiles not counted.

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "plumb/blocks/state.hpp"
#include "plumb/ops/attention.hpp"

namespace {

using namespace plumb;

/// Layers whose keys and values together exceed the last-level cache share of two cores, as in a model.
constexpr int kLayers = 22;

struct Fixture {
  Fixture(Isa isa, DType type, const ops::AttentionShape& shape, int context, int n_rows, int first_position,
          int threads)
      : kernels(kernels_for(isa)), shape(shape), n_rows(n_rows) {
    const std::vector<LayerState> layers(kLayers, KvState{shape.n_kv_heads, shape.k_dim, shape.v_dim, shape.window});
    state = SessionState(layers, {.context = context, .kv = type});
    std::mt19937 rng(1);
    std::normal_distribution<float> normal;
    std::vector<float> noise(8192 + static_cast<std::size_t>(shape.k_dim));
    for (float& x : noise) x = normal(rng);
    for (int l = 0; l < kLayers; ++l)
      for (int g = 0; g < shape.n_kv_heads; ++g)
        for (int p = 0; p < context; ++p)
          ops::store_kv(kernels, state.kv(l), 0, g, p, &noise[rng() % 8192], &noise[rng() % 8192]);
    q.resize(static_cast<std::size_t>(n_rows * shape.n_heads * shape.k_dim));
    for (float& x : q) x = normal(rng);
    out.resize(q.size());
    for (int n = 0; n < n_rows; ++n) rows.push_back({first_position + n, 0});
    scratch = ops::AttentionScratch(shape, threads, context);
  }

  void layer(const Worker& worker, int l) {
    const std::int64_t width = std::int64_t{shape.n_heads} * shape.k_dim;
    const ops::KvLayer kv = state.kv(l);
    ops::attention(worker, {&kernels, &shape, &kv, rows, q.data(), width, out.data(), width}, scratch);
  }
  void all_layers(const Worker& worker) {
    for (int l = 0; l < kLayers; ++l) {
      layer(worker, l);
      worker.barrier();
    }
  }
  double keys_seen() const {
    double seen = 0;
    for (const ops::AttentionRow& row : rows) seen += row.position + 1;
    return seen;
  }

  const KernelTable& kernels;
  ops::AttentionShape shape;
  int n_rows;
  SessionState state;
  std::vector<float> q, out;
  std::vector<ops::AttentionRow> rows;
  ops::AttentionScratch scratch;
};

ops::AttentionShape shape_of(int heads, int kv_heads, int dim) {
  return {heads, kv_heads, dim, dim, 1.0f / std::sqrt(static_cast<float>(dim))};
}

void count(benchmark::State& state, const Fixture& f, DType type) {
  const double passes = static_cast<double>(state.iterations()) * kLayers;
  const double per_key = 4.0 * f.shape.n_heads * f.shape.k_dim;
  state.counters["GFLOP/s"] = benchmark::Counter(1e-9 * passes * per_key * f.keys_seen(), benchmark::Counter::kIsRate);
  const double tiles = static_cast<double>(ceil_div(f.rows.back().position + 1, kKeyTile));
  const double bytes = 2.0 * f.shape.n_kv_heads * tiles * static_cast<double>(kv_tile_bytes(type, f.shape.k_dim));
  state.counters["KV GB/s"] = benchmark::Counter(1e-9 * passes * bytes, benchmark::Counter::kIsRate);
}

/// args: tier, KV type, heads, KV heads, head_dim, depth, threads
void decode(benchmark::State& state) {
  const Isa isa = static_cast<Isa>(state.range(0));
  const DType type = static_cast<DType>(state.range(1));
  if (!isa_usable(isa)) return state.SkipWithError("this machine cannot run the tier");
  const int depth = static_cast<int>(state.range(5)), threads = static_cast<int>(state.range(6));
  const ops::AttentionShape shape =
      shape_of(static_cast<int>(state.range(2)), static_cast<int>(state.range(3)), static_cast<int>(state.range(4)));
  Fixture f(isa, type, shape, depth + 1, 1, depth, threads);
  for (auto _ : state) run_parallel(threads, [&](const Worker& worker) { f.all_layers(worker); });
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(dtype_name(type)));
  count(state, f, type);
}

void prefill(benchmark::State& state) {
  const Isa isa = static_cast<Isa>(state.range(0));
  const DType type = static_cast<DType>(state.range(1));
  if (!isa_usable(isa)) return state.SkipWithError("this machine cannot run the tier");
  const int depth = static_cast<int>(state.range(5)), threads = static_cast<int>(state.range(6));
  const ops::AttentionShape shape =
      shape_of(static_cast<int>(state.range(2)), static_cast<int>(state.range(3)), static_cast<int>(state.range(4)));
  Fixture f(isa, type, shape, depth + 512, 512, depth, threads);
  for (auto _ : state) run_parallel(threads, [&](const Worker& worker) { f.all_layers(worker); });
  state.SetLabel(std::string(isa_name(isa)) + " " + std::string(dtype_name(type)));
  count(state, f, type);
}

constexpr std::int64_t kF32 = static_cast<std::int64_t>(DType::f32), kF16 = static_cast<std::int64_t>(DType::f16),
                       kI8 = static_cast<std::int64_t>(DType::i8);

void decode_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"isa", "kv", "heads", "kv_heads", "dim", "depth", "threads"});
  for (const std::int64_t isa : {1, 2})
    for (const std::int64_t type : {kF16, kI8, kF32}) b->Args({isa, type, 32, 4, 64, 3500, 2});
  b->Args({2, kF16, 32, 4, 64, 3500, 1});
  b->Args({2, kF16, 8, 8, 64, 3500, 2});
  b->Args({2, kF16, 32, 8, 128, 3500, 2});
  b->Args({2, kF16, 8, 1, 256, 3500, 2});
  b->Args({2, kF16, 32, 4, 64, 128, 2});
}
void prefill_cases(benchmark::internal::Benchmark* b) {
  b->ArgNames({"isa", "kv", "heads", "kv_heads", "dim", "depth", "threads"});
  for (const std::int64_t isa : {1, 2}) b->Args({isa, kF16, 32, 4, 64, 3584, 2});
  for (const std::int64_t type : {kI8, kF32}) b->Args({2, type, 32, 4, 64, 3584, 2});
  b->Args({2, kF16, 32, 4, 64, 0, 2});
  b->Args({2, kF16, 6, 6, 48, 0, 2});
}

BENCHMARK(decode)->Apply(decode_cases)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(0.3);
BENCHMARK(prefill)->Apply(prefill_cases)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(0.3);

}  // namespace
