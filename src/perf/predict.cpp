#include "plumb/perf/predict.hpp"

#include <algorithm>
#include <cmath>

namespace plumb {
namespace {

/// Barriers of one layer and outside the layers, as the forward pass has them (model/transformer.hpp).
constexpr double kBarriersPerLayer = 8, kBarriersPerPass = 2;

/// Rows that are prepared together, so that fewer rows than this keep one thread busy (ops/activations.hpp).
constexpr double kRowsPerTile = 16;

/// Threads that find work in an operation.
double workers(const OpWork& work, double rows, int threads) {
  switch (work.op) {
    case Op::embedding: return std::min<double>(threads, rows);
    case Op::attn_norm:
    case Op::ffn_norm:
    case Op::head_norm:
    case Op::quantize: return std::min<double>(threads, std::ceil(rows / kRowsPerTile));
    default: return threads;
  }
}

/// Seconds of arithmetic. A product runs at the measured rate of its kernel; where that was not measured, and for all
/// else, at the peak of the unit.
double arithmetic_seconds(const OpWork& work, const Machine& machine, int threads) {
  const auto over = [](double operations, double rate) { return rate > 0 ? operations / rate : 0; };
  const double f32 = machine.peak(Arithmetic::f32, threads);
  if (work.matrix.rows > 0) {
    const double macs = work.matrix.rows * work.matrix.cols * work.matrix.tokens * work.matrix.count;
    if (const double rate = machine.kernel_rate(work.matrix.type, work.matrix.tokens, threads); rate > 0)
      return macs / rate;
  }
  const double int8 = machine.peak(Arithmetic::int8, threads), bf16 = machine.peak(Arithmetic::bf16, threads);
  return over(work.operations.f32, f32) + over(work.operations.int8, int8 > 0 ? int8 : f32) +
         over(work.operations.bf16, bf16 > 0 ? bf16 : f32);
}

/// Activations of one operation are small and have just been written: they come from the caches of the cores.
double activation_bandwidth(const OpWork& work, const Machine& machine, int threads) {
  return machine.bandwidth(work.bytes.activation_read + work.bytes.activation_write, threads);
}

}  // namespace

double Prediction::seconds() const {
  double sum = meeting_seconds;
  for (const OpTime& time : ops) sum += time.seconds;
  return sum;
}

double Prediction::seconds_of(Ceiling ceiling) const {
  double sum = ceiling == Ceiling::meeting ? meeting_seconds : 0;
  for (const OpTime& time : ops)
    if (time.ceiling == ceiling) sum += time.seconds;
  return sum;
}

Ceiling Prediction::ceiling() const {
  Ceiling most = Ceiling::memory;
  for (const Ceiling ceiling : {Ceiling::cache, Ceiling::arithmetic, Ceiling::meeting})
    if (seconds_of(ceiling) > seconds_of(most)) most = ceiling;
  return most;
}

OpTime Prediction::sum_of(Op op) const {
  OpTime sum{op, -1, 0, 0, 0, Ceiling::arithmetic};
  double bound[4] = {};
  for (const OpTime& time : ops) {
    if (time.op != op) continue;
    sum.memory_seconds += time.memory_seconds;
    sum.arithmetic_seconds += time.arithmetic_seconds;
    sum.seconds += time.seconds;
    bound[static_cast<std::size_t>(time.ceiling)] += time.seconds;
  }
  sum.ceiling = static_cast<Ceiling>(std::max_element(bound, bound + 4) - bound);
  return sum;
}

Prediction& Prediction::operator+=(const Prediction& other) {
  ops.insert(ops.end(), other.ops.begin(), other.ops.end());
  meeting_seconds += other.meeting_seconds;
  working_set = std::max(working_set, other.working_set);
  bandwidth = bandwidth > 0 ? std::min(bandwidth, other.bandwidth) : other.bandwidth;
  return *this;
}

Prediction predict(const Ledger& ledger, const Machine& machine, int threads) {
  Prediction prediction;
  const Traffic bytes = ledger.bytes();
  prediction.working_set = bytes.weights() + bytes.kv_read;
  prediction.bandwidth = machine.bandwidth(prediction.working_set, threads);
  // The slope tells memory from cache: a set counts as cached while it is read clearly faster than memory.
  const bool cached = prediction.bandwidth > 1.15 * machine.memory_bandwidth(threads);
  int layers = 0;
  for (const OpWork& work : ledger.ops) {
    layers = std::max(layers, work.layer + 1);
    const int team = static_cast<int>(workers(work, ledger.rows, threads));
    OpTime time{work.op, work.layer, 0, 0, 0, Ceiling::arithmetic};
    const double streamed = work.bytes.weights() + work.bytes.kv_read + work.bytes.kv_write;
    const double passing = work.bytes.activation_read + work.bytes.activation_write;
    if (const double rate = machine.bandwidth(prediction.working_set, team); rate > 0)
      time.memory_seconds += streamed / rate;
    if (const double rate = activation_bandwidth(work, machine, team); rate > 0) time.memory_seconds += passing / rate;
    time.arithmetic_seconds = arithmetic_seconds(work, machine, team);
    time.seconds = std::max(time.memory_seconds, time.arithmetic_seconds);
    if (time.memory_seconds >= time.arithmetic_seconds) time.ceiling = cached ? Ceiling::cache : Ceiling::memory;
    prediction.ops.push_back(time);
  }
  if (threads > 1)
    prediction.meeting_seconds = (kBarriersPerLayer * layers + kBarriersPerPass) * machine.barrier_seconds(threads) +
                                 machine.region_seconds(threads);
  return prediction;
}

Forecast forecast(const ModelConfig& config, const ForecastOptions& options, const Machine& machine) {
  check_config(config, config.name.empty() ? "configuration" : config.name);
  const auto check = [](std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + std::to_string(value) + ", expected " +
                                                   std::to_string(low) + " to " + std::to_string(high));
  };
  check("context", options.context, 1, ConfigLimits::kContext);
  check("prompt", options.prompt, 1, options.context);
  check("batch", options.batch, 1, ConfigLimits::kContext);
  check("threads", options.threads, 0, 65536);
  Forecast result;
  result.threads = options.threads > 0 ? options.threads : machine.max_threads();
  result.parameters = count_parameters(config);
  result.memory = memory_use(config, options.weights, options.kv, options.context, options.sequences, options.batch);
  result.fits = machine.system.memory_bytes <= 0 || result.memory.total() <= machine.system.memory_bytes;

  PassOptions pass{.weights = options.weights,
                   .kv = options.kv,
                   .position = 0,
                   .tokens = 1,
                   .sequences = options.sequences,
                   .bf16_dot = machine.peak(Arithmetic::bf16, 1) > 0};
  const auto add = [&](Prediction& prediction, Ledger* ledger) {
    Ledger work = pass_work(config, pass);
    prediction += predict(work, machine, result.threads);
    if (!ledger) return;
    ledger->rows += work.rows;
    ledger->ops.insert(ledger->ops.end(), work.ops.begin(), work.ops.end());
  };
  pass.sequences = 1;  // a prompt is read alone, in passes of `batch` rows
  for (pass.position = 0; pass.position < options.prompt; pass.position += pass.tokens) {
    pass.tokens = std::min(options.batch, options.prompt - pass.position);
    pass.logits = pass.position + pass.tokens == options.prompt ? 1 : 0;
    add(result.prefill, &result.prefill_ledger);
  }
  pass.tokens = 1;
  pass.sequences = options.sequences;
  pass.logits = -1;
  pass.position = std::min(options.prompt, options.context - 1);
  add(result.decode, &result.decode_ledger);
  pass.position = options.context - 1;
  add(result.decode_full, nullptr);
  return result;
}

}  // namespace plumb
