#include "plumb/perf/measure.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "plumb/model/tensor_names.hpp"

namespace plumb {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Token ids spread over the vocabulary, the same in every run.
std::vector<Token> some_tokens(int count, int vocab_size) {
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  std::uint32_t state = 12345;
  for (Token& token : tokens) {
    state = state * 1664525u + 1013904223u;  // Numerical Recipes' congruential generator
    token = static_cast<Token>((state >> 8) % static_cast<std::uint32_t>(vocab_size));
  }
  return tokens;
}

/// Lengths that fit the model's context.
MeasureOptions fitted(MeasureOptions options, const ModelConfig& config) {
  const auto at_least = [](const char* name, int value, int low) {
    if (value < low)
      throw Error(ErrorCode::invalid_argument,
                  std::string(name) + " " + std::to_string(value) + ": expected at least " + std::to_string(low));
  };
  at_least("prompt", options.prompt, 0);
  at_least("tokens", options.tokens, 0);
  at_least("depth", options.depth, 0);
  at_least("repetitions", options.repetitions, 1);
  at_least("prompt + tokens", std::max(options.prompt, options.tokens), 1);
  const int limit = options.session.context > 0 ? options.session.context : config.context;
  const int room = limit - options.depth;
  if (room < 1)
    throw Error(ErrorCode::context_overflow,
                "depth " + std::to_string(options.depth) + " leaves no room in a context of " + std::to_string(limit));
  options.prompt = std::min(options.prompt, room);
  options.tokens = std::min(options.tokens, room);
  if (options.session.context == 0) options.session.context = options.depth + std::max(options.prompt, options.tokens);
  return options;
}

/// Runs and times passes of one session.
class Runner {
 public:
  Runner(const Model& model, const MeasureOptions& options)
      : session_(model, options.session),
        options_(options),
        text_(some_tokens(session_.context(), model.config().vocab_size)) {
    announce("filling the cache", 0);
    if (options_.depth > 0) session_.prefill(part(0, options_.depth));
    session_.decode(text_[0]);  // touches all weights and scratch
  }

  void run(Measurement& m) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < options_.repetitions; ++i) {
      if (i > 0 && seconds_since(start) > options_.max_seconds) break;
      const double done = static_cast<double>(i) / options_.repetitions;
      if (options_.prompt > 0) {
        announce("prefill", done);
        time(m.prefill, [&] { session_.prefill(part(options_.depth, options_.prompt)); });
      }
      if (options_.tokens > 0) {
        announce("decode", done + 0.5 / options_.repetitions);
        time(m.decode, [&] {
          for (const Token token : part(options_.depth, options_.tokens)) session_.decode(token);
        });
      }
    }
  }

  Session& session() { return session_; }

 private:
  std::span<const Token> part(int first, int count) const {
    return std::span(text_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  }
  template <class Action>
  void time(PassTiming& timing, const Action& action) {
    session_.truncate(0, options_.depth);
    const Clock::time_point start = Clock::now();
    action();
    timing.seconds.push_back(seconds_since(start));
  }
  void announce(std::string_view what, double done) const {
    if (options_.progress) options_.progress(what, done);
  }

  Session session_;
  const MeasureOptions& options_;
  std::vector<Token> text_;
};

}  // namespace

WeightTypes weight_types(const Model& model) {
  std::map<std::string, DType> types;
  std::map<DType, int> counts;
  for_each_matrix(model.weights(), [&](const std::string& name, const ops::WeightMatrix& w) {
    types[name] = w.type;
    ++counts[w.type];
  });
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  WeightTypes result(most->first);
  for_each_tensor(model.config(), [&](const TensorSpec& tensor) {
    if (!tensor.is_matrix() || tensor.bias) return;
    const auto found = types.find(gguf_tensor_name(tensor));
    if (found != types.end() && found->second != result.matrices())
      result.set(tensor.role, tensor.layer, found->second);
  });
  return result;
}

double PassTiming::median() const {
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = sorted.size();
  return n == 0 ? 0 : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}
double PassTiming::fastest() const { return seconds.empty() ? 0 : *std::min_element(seconds.begin(), seconds.end()); }
double PassTiming::slowest() const { return seconds.empty() ? 0 : *std::max_element(seconds.begin(), seconds.end()); }

double PassTiming::gigabytes_per_second() const {
  const Traffic bytes = work.bytes();
  return (bytes.weights() + bytes.kv_read + bytes.kv_write) / median() * 1e-9;
}

Measurement measure(const Model& model, const MeasureOptions& options) {
  const MeasureOptions fit = fitted(options, model.config());
  Measurement m;
  m.config = model.config();
  m.name = m.config.name.empty() ? model.source() : m.config.name;
  m.weights = weight_types(model);
  m.parameters = count_parameters(m.config);
  m.kv = fit.session.kv;
  m.kv_bytes_per_token = kv_bytes_per_position(m.config, m.kv) * m.config.n_layers;
  m.weight_bytes = memory_use(m.config, m.weights, m.kv, 1).weights;
  m.depth = fit.depth;
  m.tier = model.transformer().kernels->name;
  m.prefill.tokens = fit.prompt;
  m.decode.tokens = fit.tokens;

  Runner runner(model, fit);
  m.threads = runner.session().threads();
  runner.run(m);

  PassOptions pass{
      .weights = m.weights,
      .kv = m.kv,
      .position = fit.depth,
      .exact = model.transformer().exact,
      .bf16_dot = model.transformer().kernels->matmul_for(DType::bf16).activations == ActivationForm::bf16};
  const int batch = runner.session().batch();
  for (int done = 0; done < fit.prompt;
       done += batch) {  // a long prompt takes several passes; only the last has logits
    pass.position = fit.depth + done;
    pass.tokens = std::min(batch, fit.prompt - done);
    pass.logits = done + batch < fit.prompt ? 0 : -1;
    const Ledger ledger = pass_work(m.config, pass);
    m.prefill.work.ops.insert(m.prefill.work.ops.end(), ledger.ops.begin(), ledger.ops.end());
  }
  pass.tokens = 1;
  pass.logits = -1;
  for (int i = 0; i < fit.tokens; ++i) {
    pass.position = fit.depth + i;
    const Ledger ledger = pass_work(m.config, pass);
    m.decode.work.ops.insert(m.decode.work.ops.end(), ledger.ops.begin(), ledger.ops.end());
  }
  pass.position = fit.depth + fit.tokens / 2;
  const Ledger token = pass_work(m.config, pass);
  m.token_operations = token.operations();
  m.token_bytes = token.bytes();
  return m;
}

}  // namespace plumb
