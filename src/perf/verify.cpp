#include "plumb/perf/verify.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "plumb/model/llama_spec.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/weights.hpp"
#include "plumb/perf/bench.hpp"
#include "plumb/perf/predict.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kTokens = 4;           // decoded in one repetition, at least
constexpr double kDecoding = 0.01;   // seconds of a repetition of decoding, by the prediction
constexpr double kRepeating = 0.15;  // seconds of all repetitions, unless that are fewer than asked for
constexpr int kRepetitions = 25;     // at most, likewise
constexpr double kCalm = 0.1;        // a larger spread comes from other work: the case is run again,
constexpr int kAgain = 2;            // at most so often

/// A made-up Llama shape.
ModelSpec shape(const char* name, int vocab, int width, int layers, int heads, int kv_heads, int ffn) {
  return llama_spec({name, vocab, width, layers, heads, kv_heads, width / heads, ffn, 8192, 1e4f, true});
}

ModelSpec named(const char* preset) {
  ModelSpec spec = preset_spec(preset);
  spec.name = preset;
  spec.context = std::max(spec.context, 8192);
  return spec;
}

/// A large model with fewer layers.
ModelSpec shortened(const char* preset, int layers) {
  ModelSpec spec = named(preset);
  spec.layers.resize(static_cast<std::size_t>(layers));
  spec.name += "-" + std::to_string(layers) + "l";
  return spec;
}

/// What is asked of one shape in one type.
void add(std::vector<VerifyCase>& cases, const ModelSpec& spec, DType type, std::initializer_list<int> depths,
         std::initializer_list<int> prompts, bool batch) {
  for (const int depth : depths) cases.push_back({spec, type, 0, depth, 1});
  if (batch) cases.push_back({spec, type, 0, 512, 4});
  for (const int prompt : prompts) cases.push_back({spec, type, prompt, 0, 1});
}

/// Of one pass; decoding: at the middle of `tokens`.
Prediction prediction_of(const VerifyCase& what, const Machine& machine, int threads, int tokens) {
  PassOptions pass{.weights = what.type, .kv = DType::f16, .bf16_dot = machine.peak(Arithmetic::bf16, 1) > 0};
  if (!what.decodes())
    return forecast_prompt(what.spec, pass, what.depth, what.prompt, 512, machine, threads).prediction;
  pass.position = what.depth + tokens / 2;
  pass.sequences = what.sequences;
  return predict(pass_work(what.spec, pass), machine, threads);
}

/// Runs a case; `now` is the machine before it, and the one after it afterwards.
VerifyResult run(const VerifyCase& what, const Model& model, const Machine& profile, Machine& now,
                 const VerifyOptions& options) {
  VerifyResult result{what};
  const double guess = prediction_of(what, now, options.threads, 0).seconds();
  const int tokens = what.decodes() ? std::clamp(static_cast<int>(kDecoding / guess), kTokens, 256) : 0;
  const int fitting = static_cast<int>(std::min<double>(kRepeating / (guess * std::max(1, tokens)), kRepetitions));
  const int repetitions = std::max(fitting, options.repetitions);
  const BenchTest test{.prompt = what.prompt, .generate = tokens, .depth = what.depth, .sequences = what.sequences};
  const BenchResult bench = run_bench(
      model, test, {.threads = options.threads, .kv = DType::f16, .repetitions = repetitions, .warmup = true});
  const auto predicted = [&](const Machine& machine) { return prediction_of(what, machine, options.threads, tokens); };
  const Prediction alone = predicted(profile), before = predicted(now);
  now = refreshed(std::move(now), options.threads);
  const Prediction after = predicted(now);
  result.measured = lower_quartile(bench.seconds) / std::max(1, tokens);
  result.spread = median(bench.seconds) / std::max(1, tokens) / result.measured - 1;
  result.profile_alone = alone.seconds();
  result.predicted = (before.seconds() + after.seconds()) / 2;
  const double bandwidth = (before.bandwidth + after.bandwidth) / 2;
  result.memory = bandwidth / alone.bandwidth;
  result.moving = alone.working_set / bandwidth / result.measured;
  return result;
}

}  // namespace

std::string VerifyCase::name() const {
  return spec.name + " " + std::string(dtype_name(type)) + " " +
         BenchTest{.prompt = prompt, .generate = decodes() ? 1 : 0, .depth = depth, .sequences = sequences}.name();
}

std::vector<VerifyCase> held_out_cases() {
  std::vector<VerifyCase> cases;
  add(cases, shape("1m", 2048, 128, 4, 4, 2, 384), DType::q4_0, {0, 512}, {128, 512}, true);
  add(cases, shape("1m", 2048, 128, 4, 4, 2, 384), DType::f16, {0, 3500}, {128}, false);
  add(cases, shape("6m-deep", 4096, 256, 12, 8, 8, 512), DType::q8_0, {0, 512, 3500}, {128, 512}, true);
  add(cases, named("stories-15m"), DType::f16, {0}, {128}, false);
  add(cases, named("stories-15m"), DType::q4_0, {0, 512}, {128, 512}, true);
  add(cases, shape("40m-wide", 8192, 1024, 3, 16, 4, 2816), DType::q4_k, {0, 3500}, {128, 512}, true);
  add(cases, shape("40m-wide", 8192, 1024, 3, 16, 4, 2816), DType::q6_k, {0, 512}, {512}, false);
  add(cases, named("smollm2-135m"), DType::q8_0, {0, 512, 3500}, {128, 512}, true);
  add(cases, named("smollm2-135m"), DType::f16, {0}, {128}, false);
  add(cases, named("smollm2-360m"), DType::q4_0, {0, 3500}, {128, 512}, true);
  add(cases, shape("500m", 32000, 1536, 16, 12, 4, 4608), DType::q4_k, {0, 512}, {128}, true);
  add(cases, named("tinyllama-1.1b"), DType::q4_0, {0, 512, 3500}, {128, 512}, true);
  add(cases, named("tinyllama-1.1b"), DType::q6_k, {0}, {128}, false);
  for (const char* hybrid : {"lfm2-350m", "granite-4.0-h-350m", "qwen3.5-0.8b"})
    add(cases, named(hybrid), DType::q4_0, {0, 512}, {128, 512}, true);
  add(cases, shortened("qwen3-30b-a3b", 4), DType::q4_0, {0, 512}, {128, 512}, true);
  add(cases, named("granite-3.1-1b-a400m"), DType::q4_0, {0, 512}, {128, 512}, true);
  add(cases, shortened("olmoe-1b-7b", 4), DType::q4_0, {0, 512}, {128, 512}, true);
  return cases;
}

ErrorSummary summarize(const std::vector<VerifyResult>& results, bool decode, bool alone) {
  std::vector<double> errors;
  for (const VerifyResult& result : results)
    if (result.what.decodes() == decode) errors.push_back(std::abs(alone ? result.error_alone() : result.error()));
  if (errors.empty()) return {};
  std::sort(errors.begin(), errors.end());
  const auto ninth = static_cast<std::size_t>(std::ceil(0.9 * static_cast<double>(errors.size()))) - 1;
  return {static_cast<int>(errors.size()), median(errors), errors[ninth]};
}

std::vector<VerifyResult> verify(const std::vector<VerifyCase>& cases, const Machine& machine,
                                 const VerifyOptions& options) {
  VerifyOptions own = options;
  if (own.threads <= 0) own.threads = machine.max_threads();
  std::vector<VerifyResult> results;
  Machine now = refreshed(machine, own.threads);
  std::optional<Model> model;
  std::string made;  // which model that is
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const VerifyCase& what = cases[i];
    const auto named = [&](const std::string& part) { return what.name().find(part) != std::string::npos; };
    if (!options.filters.empty() && std::none_of(options.filters.begin(), options.filters.end(), named)) continue;
    if (options.progress) options.progress(static_cast<double>(i) / static_cast<double>(cases.size()), what.name());
    const std::string wanted = what.spec.name + std::string(dtype_name(what.type));
    if (made != wanted) {
      model.reset();  // before the next one takes its memory
      model = Model::random(what.spec, what.type);
      made = wanted;
    }
    VerifyResult result = run(what, *model, machine, now, own);
    for (int again = 0; again < kAgain && result.spread > kCalm; ++again) result = run(what, *model, machine, now, own);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace plumb
