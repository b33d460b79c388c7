#include "plumb/perf/measure.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include "at_least.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/perf/bench.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Whether this process multiplies bfloat16 weights with bfloat16 activations.
bool has_bf16_dots() { return active_kernels().matmul_for(DType::bf16).activations == ActivationForm::bf16; }

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

Ledger joined(const std::vector<Ledger>& passes) {
  Ledger sum;
  for (const Ledger& pass : passes) {
    sum.rows += pass.rows;
    sum.ops.insert(sum.ops.end(), pass.ops.begin(), pass.ops.end());
  }
  return sum;
}

/// "Q4_0: all", with what has no packed kernels named.
std::string describe_kernels(const Model& model) {
  const std::vector<TensorClass> classes = tensor_classes(model);
  std::string text = describe_types(classes);
  for (const TensorClass& c : classes)
    if (!c.fast) text += "; no packed kernels: " + c.role + " " + std::string(dtype_name(c.type));
  return text;
}

}  // namespace

MeasureOptions fitted_options(MeasureOptions options, const ModelSpec& spec) {
  at_least("prompt", options.prompt, 0);
  at_least("tokens", options.tokens, 0);
  at_least("depth", options.depth, 0);
  at_least("repetitions", options.repetitions, 1);
  at_least("prompt + tokens", std::max(options.prompt, options.tokens), 1);
  if (!generates(spec)) {  // texts become embeddings, each read in one pass
    if (options.depth > 0)
      throw Error(ErrorCode::invalid_argument, "depth is " + std::to_string(options.depth) +
                                                   ", expected 0: the model makes embeddings and continues nothing");
    options.tokens = 0;
    options.prompt = std::max(options.prompt, 1);
    options.session.sequences = 1;
  }
  const int limit = options.session.context > 0 ? options.session.context : spec.context;
  const int room = limit - options.depth;
  if (room < 1)
    throw Error(ErrorCode::context_overflow,
                "depth " + std::to_string(options.depth) + " leaves no room in a context of " + std::to_string(limit));
  options.prompt = std::min(options.prompt, room);
  options.tokens = std::min(options.tokens, room);
  if (!generates(spec)) options.session.batch = std::max(options.session.batch, options.prompt);
  if (options.session.context == 0) options.session.context = options.depth + std::max(options.prompt, options.tokens);
  return options;
}

TimedPasses timed_passes(const ModelSpec& spec, const WeightTypes& weights, const MeasureOptions& options, bool exact) {
  TimedPasses passes;
  PassOptions pass{.weights = weights, .kv = options.session.kv, .exact = exact, .bf16_dot = has_bf16_dots()};
  for (int done = 0; done < options.prompt; done += options.session.batch) {
    pass.position = options.depth + done;
    pass.tokens = std::min(options.session.batch, options.prompt - done);
    pass.logits = done + options.session.batch < options.prompt ? 0 : -1;  // only the last pass has logits
    passes.prefill.push_back(pass_work(spec, pass));
  }
  pass.tokens = 1;
  pass.logits = -1;
  pass.sequences = options.session.sequences;
  for (pass.position = options.depth; pass.position < options.depth + options.tokens; ++pass.position)
    passes.decode.push_back(pass_work(spec, pass));
  return passes;
}

WeightTypes weight_types(const Model& model) { return stored_types(model.spec(), model.transformer().weights); }

double PassTiming::quantile(double share) const {
  if (seconds.empty()) return 0;
  std::vector<double> sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const double at = share * static_cast<double>(sorted.size() - 1), low = std::floor(at);
  const auto i = static_cast<std::size_t>(low);
  return i + 1 < sorted.size() ? sorted[i] + (at - low) * (sorted[i + 1] - sorted[i]) : sorted.back();
}
double PassTiming::median() const { return quantile(0.5); }
double PassTiming::fastest() const { return seconds.empty() ? 0 : *std::min_element(seconds.begin(), seconds.end()); }
double PassTiming::slowest() const { return seconds.empty() ? 0 : *std::max_element(seconds.begin(), seconds.end()); }

double PassTiming::gigabytes_per_second() const {
  const Traffic bytes = work.bytes();
  return (bytes.weights() + bytes.kv_read + bytes.kv_write) / median() * 1e-9;
}

Measuring::Measuring(const Model& model, const MeasureOptions& options)
    : options_(fitted_options(options, model.spec())),
      session_(model, options_.session),
      text_(some_tokens(session_.context(), model.spec().vocab_size)) {
  Measurement& m = result_;
  m.spec = model.spec();
  m.name = m.spec.name.empty() ? model.source() : m.spec.name;
  m.weights = weight_types(model);
  m.parameters = count_parameters(m.spec);
  m.kv = options_.session.kv;
  m.kv_bytes_per_token = state_bytes_per_position(m.spec, m.kv);
  m.weight_bytes = memory_use(m.spec, m.weights, m.kv, 1).weights;
  m.depth = options_.depth;
  m.threads = session_.threads();
  m.sequences = session_.sequences();
  m.tier = model.transformer().kernels->name;
  m.kernels = describe_kernels(model);
  m.system = read_system_info();

  const bool exact = model.transformer().exact;
  const TimedPasses passes = timed_passes(m.spec, m.weights, options_, exact);
  m.prefill = {options_.prompt, static_cast<int>(passes.prefill.size()), {}, joined(passes.prefill)};
  m.decode = {options_.tokens * m.sequences, options_.tokens, {}, joined(passes.decode)};
  const Ledger token = pass_work(m.spec, {.weights = m.weights,
                                          .kv = m.kv,
                                          .position = options_.depth + options_.tokens / 2,
                                          .exact = exact,
                                          .bf16_dot = has_bf16_dots()});
  m.token_operations = token.operations();
  m.token_bytes = token.bytes();

  announce("filling the cache", 0);
  if (options_.depth > 0) session_.prefill(std::span(text_).first(static_cast<std::size_t>(options_.depth)));
  for (int s = 1; s < m.sequences; ++s) session_.copy(0, s, options_.depth);
  // Touches all weights and scratch.
  if (generates(m.spec))
    decode_all(options_.depth, 1);
  else
    read_prompt();
}

void Measuring::read_prompt() {
  const auto prompt =
      std::span(text_).subspan(static_cast<std::size_t>(options_.depth), static_cast<std::size_t>(options_.prompt));
  if (generates(session_.model().spec()))
    session_.prefill(prompt);
  else
    session_.embed(std::vector<std::vector<Token>>(1, {prompt.begin(), prompt.end()}));
}

void Measuring::generate() { decode_all(options_.depth, options_.tokens); }

void Measuring::rewind() {
  for (int s = 0; s < session_.sequences(); ++s) session_.truncate(s, options_.depth);
}

void Measuring::repeat(double done, double next) {
  const auto time = [&](PassTiming& timing, void (Measuring::*run)()) {
    rewind();
    const Clock::time_point start = Clock::now();
    (this->*run)();
    timing.seconds.push_back(seconds_since(start));
  };
  if (options_.prompt > 0) {
    announce("prefill", done);
    time(result_.prefill, &Measuring::read_prompt);
  }
  if (options_.tokens > 0) {
    announce("decode", (done + next) / 2);
    time(result_.decode, &Measuring::generate);
  }
}

void Measuring::trace(int runs) {
  const auto traced = [&](PassTiming& timing, void (Measuring::*run)()) {
    Trace trace;
    session_.set_trace(&trace);
    rewind();
    (this->*run)();
    session_.set_trace(nullptr);
    if (timing.trace && timing.trace->seconds <= trace.seconds()) return;
    TracedRun& result = timing.trace.emplace();
    result.seconds = result.meeting = trace.seconds();
    for (const Op op : kAllOps) {
      const double busy = trace.busy(static_cast<int>(op));
      result.busy[static_cast<std::size_t>(op)] = busy;
      result.meeting -= busy;
    }
  };
  for (int i = 0; i < runs; ++i) {
    if (options_.prompt > 0) traced(result_.prefill, &Measuring::read_prompt);
    if (options_.tokens > 0) traced(result_.decode, &Measuring::generate);
  }
}

/// Steps of all sequences side by side, from position `first`.
void Measuring::decode_all(int first, int count) {
  for (int position = first; position < first + count; ++position) {
    rows_.clear();
    for (int s = 0; s < session_.sequences(); ++s)
      rows_.push_back({text_[static_cast<std::size_t>(position)], position, s, true});
    session_.forward(rows_);
  }
}

void Measuring::announce(std::string_view what, double done) const {
  if (options_.progress) options_.progress(what, done);
}

Measurement measure(const Model& model, const MeasureOptions& options) {
  Measuring measuring(model, options);
  const Clock::time_point start = Clock::now();
  const int repetitions = options.repetitions;
  for (int i = 0; i < repetitions; ++i) {
    if (i > 0 && seconds_since(start) > options.max_seconds) break;
    measuring.repeat(static_cast<double>(i) / repetitions, (i + 1.0) / repetitions);
  }
  return measuring.result();
}

}  // namespace plumb
