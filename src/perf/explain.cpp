#include "plumb/perf/explain.hpp"

#include <algorithm>
#include <string>

#include "at_least.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/text/sampler.hpp"
#include "stopwatch.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

void check(const ExplainOptions& options) {
  at_least("prompt", options.prompt, 0);
  at_least("tokens", options.tokens, 0);
  at_least("depth", options.depth, 0);
  at_least("repetitions", options.repetitions, 1);
  at_least("prompt + tokens", std::max(options.prompt, options.tokens), 1);
}

SessionOptions session_options(const ExplainOptions& options, const ModelSpec& spec) {
  SessionOptions session = options.session;
  const std::int64_t needed = std::int64_t{options.depth} + std::max(options.prompt, options.tokens);
  const int limit = session.context > 0 ? session.context : spec.context;
  if (needed > limit)
    throw Error(ErrorCode::context_overflow,
                std::to_string(needed) + " tokens for a context of " + std::to_string(limit));
  if (session.context == 0) session.context = static_cast<int>(needed);
  return session;
}

/// One traced run.
struct Run {
  Trace trace;
  double sampling = 0;
  double seconds() const { return trace.seconds() + sampling; }
};

/// Runs passes of one session under a trace.
class Tracer {
 public:
  Tracer(const Model& model, const ExplainOptions& options)
      : session_(model, session_options(options, model.spec())),
        options_(options),
        sampler_(options.sampling, model.spec().vocab_size),
        prompt_(static_cast<std::size_t>(std::max({options.prompt, options.depth, 1}))),
        rows_(static_cast<std::size_t>(session_.sequences())) {
    for (std::size_t i = 0; i < prompt_.size(); ++i)  // a stride that visits many rows of the embedding
      prompt_[i] = static_cast<Token>(i * 7919 % static_cast<std::size_t>(model.spec().vocab_size));
    announce(0, "filling the cache");
    if (options.depth > 0) session_.prefill({prompt_.data(), static_cast<std::size_t>(options.depth)});
    for (int s = 1; s < session_.sequences(); ++s) session_.copy(0, s, options.depth);
    session_.set_trace(&trace_);
  }

  /// The prefill and decode runs of median duration.
  std::pair<Run, Run> run() {
    std::vector<Run> prefills, decodes;
    if (options_.tokens > 0) decode(1);  // warms up
    for (int i = 0; i < options_.repetitions; ++i) {
      announce(static_cast<double>(i) / options_.repetitions, "tracing");
      if (options_.prompt > 0) prefills.push_back(prefill());
      if (options_.tokens > 0) decodes.push_back(decode(options_.tokens));
    }
    return {middle(std::move(prefills)), middle(std::move(decodes))};
  }

  const Session& session() const { return session_; }

 private:
  Run prefill() {
    start();
    session_.prefill({prompt_.data(), static_cast<std::size_t>(options_.prompt)});
    return finish();
  }
  Run decode(int tokens) {
    start();
    for (std::size_t s = 0; s < rows_.size(); ++s)
      rows_[s] = {prompt_[s % prompt_.size()], session_.length(static_cast<int>(s)), static_cast<int>(s), true};
    for (int i = 0; i < tokens; ++i) {
      session_.forward(rows_);
      const double before = now_seconds();
      for (std::size_t s = 0; s < rows_.size(); ++s) {
        rows_[s].token = sampler_.sample(session_.logits(static_cast<int>(s)));
        ++rows_[s].position;
      }
      sampling_ += now_seconds() - before;
    }
    return finish();
  }
  void start() {
    for (int s = 0; s < session_.sequences(); ++s) session_.truncate(s, options_.depth);
    trace_.clear();
    sampling_ = 0;
  }
  Run finish() const { return {trace_, sampling_}; }
  static Run middle(std::vector<Run> runs) {
    if (runs.empty()) return {};
    const auto half = runs.begin() + static_cast<std::ptrdiff_t>(runs.size() / 2);
    std::nth_element(runs.begin(), half, runs.end(),
                     [](const Run& a, const Run& b) { return a.seconds() < b.seconds(); });
    return std::move(*half);
  }
  void announce(double fraction, std::string_view what) const {
    if (options_.progress) options_.progress(fraction, what);
  }

  Session session_;
  const ExplainOptions& options_;
  Sampler sampler_;
  std::vector<Token> prompt_;
  std::vector<BatchRow> rows_;
  Trace trace_;
  double sampling_ = 0;
};

/// Lays a trace beside work and prediction. The run was `runs` times the work.
PassReport report(const Run& run, double runs, Ledger work, Prediction predicted) {
  PassReport report;
  report.pass_seconds = run.trace.seconds() / runs;
  report.seconds = run.seconds() / runs;
  report.meeting_seconds = report.pass_seconds;
  for (const Op op : kAllOps) {
    OpReport own{op, work.sum_of(op), predicted.sum_of(op), 0, 0};
    const int phase = static_cast<int>(op);
    own.seconds = (op == Op::sampling ? run.sampling : run.trace.longest(phase)) / runs;
    own.waiting = run.trace.waiting(phase) / runs;
    if (op != Op::sampling) report.meeting_seconds -= own.seconds;
    if (own.seconds > 0 || own.work.bytes.total() > 0) report.ops.push_back(own);
  }
  report.work = std::move(work);
  report.predicted = std::move(predicted);
  return report;
}

}  // namespace

Explanation explain(const Model& model, const Machine& machine, const ExplainOptions& options) {
  check(options);
  Tracer tracer(model, options);
  Explanation result;
  result.spec = model.spec();
  result.name = result.spec.name.empty() ? model.source() : result.spec.name;
  result.weights = weight_types(model);
  result.kv = tracer.session().kv_type();
  result.tier = model.transformer().kernels->name;
  result.threads = tracer.session().threads();
  result.sequences = tracer.session().sequences();
  result.depth = options.depth;
  result.prompt = options.prompt;
  const auto [prefill, decode] = tracer.run();

  PassOptions pass{.weights = result.weights,
                   .kv = result.kv,
                   .exact = model.transformer().exact,
                   .bf16_dot = machine.peak(Arithmetic::bf16, 1) > 0};
  if (options.prompt > 0) {
    PassForecast prompt = forecast_prompt(result.spec, pass, options.depth, options.prompt, tracer.session().batch(),
                                          machine, result.threads);
    result.prefill = report(prefill, 1, std::move(prompt.work), std::move(prompt.prediction));
  }
  if (options.tokens > 0) {
    pass.position = options.depth + options.tokens / 2;
    pass.sequences = result.sequences;
    Ledger work = pass_work(result.spec, pass);
    Prediction predicted = predict(work, machine, result.threads);
    result.decode = report(decode, options.tokens, std::move(work), std::move(predicted));
  }
  return result;
}

}  // namespace plumb
