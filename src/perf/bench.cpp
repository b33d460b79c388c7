#include "plumb/perf/bench.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "at_least.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

void check(const BenchTest& test, const BenchSettings& settings) {
  at_least("prompt", test.prompt, 0);
  at_least("generate", test.generate, 0);
  at_least("depth", test.depth, 0);
  at_least("sequences", test.sequences, 1);
  at_least("repetitions", settings.repetitions, 1);
  at_least("batch", settings.batch, 1);
  if (test.prompt == 0 && test.generate == 0)
    throw Error(ErrorCode::invalid_argument, "a test needs a prompt or something to generate");
}

int context_of(const BenchTest& test) {
  return checked_cast<int>(std::int64_t{test.depth} + test.prompt + test.generate, "depth + prompt + generate");
}

/// Runs the parts of one test in one session.
class TestRun {
 public:
  TestRun(const Model& model, const BenchTest& test, const BenchSettings& settings)
      : test_(test),
        vocabulary_(static_cast<std::uint64_t>(model.spec().vocab_size)),
        session_(model,
                 {.context = context_of(test),
                  .threads = settings.threads,
                  .sequences = test.sequences,
                  .batch = std::max({settings.batch, test.sequences, reads_at_once(model.spec()) ? test.prompt : 0}),
                  .kv = settings.kv}),
        prompt_(static_cast<std::size_t>(std::max(test.prompt, test.depth))),
        rows_(static_cast<std::size_t>(test.sequences)) {}

  int threads() const { return session_.threads(); }

  /// Every sequence holds `depth` tokens afterwards; the first one reads them, the others copy it.
  void fill_depth() {
    if (test_.depth == 0) return;
    read_prompt(0, test_.depth);
    for (int s = 1; s < test_.sequences; ++s) session_.copy(0, s, test_.depth);
  }
  void back_to_depth() {
    for (int s = 0; s < test_.sequences; ++s) session_.truncate(s, test_.depth);
  }
  /// One repetition, or the part of it that warms up.
  void run(int prompt, int generate) {
    for (int s = 0; prompt > 0 && s < test_.sequences; ++s) read_prompt(s, prompt);
    for (int i = 0; i < generate; ++i) {
      for (int s = 0; s < test_.sequences; ++s)
        rows_[static_cast<std::size_t>(s)] = {next_token(), session_.length(s), s, true};
      session_.forward(rows_);
    }
  }
  /// Speed of nonsense would mean nothing.
  void check_logits() const {
    if (!generates(session_.model().spec())) return;
    for (const float logit : session_.logits())
      if (!std::isfinite(logit))
        throw Error(ErrorCode::bad_value, session_.model().source() + ": logits of '" + test_.name() +
                                              "' are not finite, so its speed means nothing");
  }

 private:
  /// xorshift (Marsaglia 2003): tokens that no cache can foresee.
  Token next_token() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<Token>(state_ % vocabulary_);
  }
  void read_prompt(int s, int n) {
    for (int i = 0; i < n; ++i) prompt_[static_cast<std::size_t>(i)] = next_token();
    if (generates(session_.model().spec()))
      session_.prefill({prompt_.data(), static_cast<std::size_t>(n)}, s);
    else
      session_.embed(std::vector<std::vector<Token>>(1, {prompt_.begin(), prompt_.begin() + n}));
  }

  const BenchTest test_;
  const std::uint64_t vocabulary_;
  std::uint64_t state_ = 0x9E3779B97F4A7C15u;
  Session session_;
  std::vector<Token> prompt_;
  std::vector<BatchRow> rows_;  // one step of all sequences
};

}  // namespace

std::string BenchTest::name() const {
  std::string text;
  if (prompt > 0) text += "pp" + std::to_string(prompt);
  if (generate > 0) text += (text.empty() ? "tg" : "+tg") + std::to_string(generate);
  if (sequences > 1) text += " x" + std::to_string(sequences);
  if (depth > 0) text += " @ d" + std::to_string(depth);
  return text;
}

std::vector<double> BenchResult::rates() const {
  std::vector<double> rates;
  for (const double s : seconds) rates.push_back(static_cast<double>(test.tokens()) / s);
  return rates;
}

double BenchResult::mean_rate() const {
  const std::vector<double> all = rates();
  return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
}

double BenchResult::rate_deviation() const {
  const std::vector<double> all = rates();
  if (all.size() < 2) return 0;
  const double mean = mean_rate();
  double power = 0;
  for (const double rate : all) power += (rate - mean) * (rate - mean);
  return std::sqrt(power / static_cast<double>(all.size() - 1));
}

BenchResult run_bench(const Model& model, const BenchTest& test, const BenchSettings& settings) {
  check(test, settings);
  if (!generates(model.spec()) && (test.generate > 0 || test.depth > 0))
    throw Error(ErrorCode::unsupported_architecture,
                model.source() + ": '" + test.name() + "' of a model that makes embeddings; supported: prompts");
  TestRun run(model, test, settings);
  BenchResult result{test, settings, {}};
  result.settings.threads = run.threads();
  run.fill_depth();
  if (settings.warmup) {
    run.run(test.prompt, std::min(test.generate, 1));
    run.back_to_depth();
  }
  for (int r = 0; r < settings.repetitions; ++r) {
    const auto start = std::chrono::steady_clock::now();
    run.run(test.prompt, test.generate);
    result.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    run.check_logits();
    run.back_to_depth();
  }
  return result;
}

std::vector<TensorClass> tensor_classes(const Model& model) {
  const KernelTable& kernels = *model.transformer().kernels;
  std::vector<TensorClass> classes;
  for_each_matrix(model.spec(), model.transformer().weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
    const std::string name = tensor_name(model.spec(), tensor.id);
    const std::string role(split_gguf_name(name).base);
    auto own = std::find_if(classes.begin(), classes.end(),
                            [&](const TensorClass& c) { return c.role == role && c.type == w.type; });
    if (own == classes.end()) own = classes.insert(own, TensorClass{role, w.type});
    ++own->count;
    own->bytes += w.bytes();
    own->fast = own->fast && (is_table(tensor.id.role) || (w.packed() && kernels.matmul_for(w.type).available()));
  });
  return classes;
}

std::string describe_types(const std::vector<TensorClass>& classes) {
  std::string text;
  for (const DTypeInfo& info : kDTypes) {
    std::string roles;
    bool all = true;
    for (const TensorClass& c : classes) {
      all = all && c.type == info.type;
      if (c.type == info.type) roles += ' ' + c.role + " x" + std::to_string(c.count);
    }
    if (roles.empty()) continue;
    text += (text.empty() ? "" : "; ") + std::string(info.name) + ":" + (all ? " all" : roles);
  }
  return text;
}

}  // namespace plumb
