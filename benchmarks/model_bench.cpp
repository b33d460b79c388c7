/// Whole models of random weights, small enough to be made in a moment: one generated token at a depth, and prompts.
/// For large models and comparisons use `plumb bench` and `compare`.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"

namespace plumb {
namespace {

Model make_model(const std::string& preset, const std::string& type) {
  const ModelSpec spec = preset_spec(preset);
  return Model::random(spec, weight_types_by_name(type, spec));
}

/// range(0): tokens in the cache before.
void generate(benchmark::State& state, const std::string& preset, const std::string& type) {
  const Model model = make_model(preset, type);
  const int depth = static_cast<int>(state.range(0));
  Session session(model, {.context = depth + 2, .kv = DType::f16});
  session.prefill(std::vector<Token>(static_cast<std::size_t>(depth) + 1, 5));
  for (auto _ : state) {
    session.truncate(0, depth);
    session.decode(7);
    benchmark::DoNotOptimize(session.logits().data());
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(static_cast<double>(model.weight_bytes()) / 1e9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

/// range(0): tokens of the prompt.
void read(benchmark::State& state, const std::string& preset, const std::string& type) {
  const Model model = make_model(preset, type);
  const std::vector<Token> prompt(static_cast<std::size_t>(state.range(0)), 5);
  Session session(model, {.context = static_cast<int>(prompt.size()), .kv = DType::f16});
  for (auto _ : state) {
    session.clear();
    session.prefill(prompt);
    benchmark::DoNotOptimize(session.logits().data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(prompt.size()));
}

const int registered = [] {
  for (const std::string preset : {"stories-15m", "stories-110m"})
    for (const std::string type : {"q4_0", "q8_0", "q4_k_m", "f16"}) {
      const std::string name = preset + "/" + type;
      benchmark::RegisterBenchmark(("generate/" + name).c_str(), generate, preset, type)
          ->ArgName("depth")
          ->Arg(0)
          ->Arg(200)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
      benchmark::RegisterBenchmark(("read/" + name).c_str(), read, preset, type)
          ->ArgName("tokens")
          ->Arg(1)
          ->Arg(16)
          ->Arg(128)
          ->Arg(512)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  return 0;
}();

}  // namespace
}  // namespace plumb
