#include "plumb/perf/predict.hpp"

#include <algorithm>
#include <cmath>

#include "plumb/cpu/attention_kernels.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/matmul.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// How much longer the busiest of `threads` workers takes than the mean one when `units` are shared out.
double imbalance(double units, int threads) { return units > 0 ? std::ceil(units / threads) / (units / threads) : 1; }

/// Prices the operations of one pass.
class Pricing {
 public:
  Pricing(const Ledger& ledger, const Machine& machine, int threads)
      : rows_(ledger.rows), machine_(machine), threads_(threads) {
    const Traffic bytes = ledger.bytes();
    set_ = bytes.weights() + bytes.kv_read;
    bandwidth_ = machine.bandwidth(set_, threads);
    // The slope tells memory from cache: a set counts as cached while it is read clearly faster than memory.
    cached_ = bandwidth_ > 1.15 * machine.memory_bandwidth(threads);
    // Most products decide which activations a pass prepares.
    double int8 = 0, other = 0;
    for (const OpWork& work : ledger.ops) (dtype_info(work.matrix.type).quantized() ? int8 : other) += work.matrix.rows;
    int8_ = int8 >= other;
  }

  double working_set() const { return set_; }
  double bandwidth() const { return bandwidth_; }

  OpTime price(const OpWork& work) const {
    OpTime time{work.op, work.layer, memory_seconds(work), peak_seconds(work.operations), 0, Ceiling::arithmetic};
    if (time.memory_seconds >= time.arithmetic_seconds) time.ceiling = cached_ ? Ceiling::cache : Ceiling::memory;
    time.seconds = expected(work);
    // The probe models remember little: states of real ones come from memory.
    if (work.op == Op::recurrence) time.seconds = std::max(time.seconds, time.memory_seconds);
    if (time.seconds <= 0) time.seconds = std::max(time.memory_seconds, time.arithmetic_seconds);
    return time;
  }

 private:
  /// Weights, keys and values come from where the whole working set lives; activations are small and were just written.
  double memory_seconds(const OpWork& work) const {
    const double streamed = work.bytes.weights() + work.bytes.kv_read + work.bytes.kv_write;
    const double passing = work.bytes.activation_read + work.bytes.activation_write;
    return over(streamed, bandwidth_) + over(passing, machine_.bandwidth(passing, threads_));
  }
  double peak_seconds(const Operations& operations) const {
    const double f32 = machine_.peak(Arithmetic::f32, threads_), int8 = machine_.peak(Arithmetic::int8, threads_),
                 bf16 = machine_.peak(Arithmetic::bf16, threads_);
    return over(operations.f32, f32) + over(operations.int8, int8 > 0 ? int8 : f32) +
           over(operations.bf16, bf16 > 0 ? bf16 : f32);
  }

  /// From what was measured of kernels and probe models; 0 where nothing was.
  double expected(const OpWork& work) const {
    const double rows = work.op == Op::head_norm ? 1 : rows_;
    if (work.op == Op::attention && work.matrix.rows == 0) {
      const double kernels = attention_seconds(work);
      return kernels > 0 ? kernels + step_seconds(work, rows, work.elements(rows)) : 0;
    }
    if (work.matrix.rows == 0) return step_seconds(work, rows, work.elements(rows));
    const double kernels = product_seconds(work.matrix);
    return kernels > 0 ? kernels + work.matrix.count * step_seconds(work, work.matrix.tokens, work.matrix.cols) : 0;
  }
  /// A step, or what a product or attention takes beyond its kernels.
  double step_seconds(const OpWork& work, double rows, double elements) const {
    return machine_.step_seconds(work.op, int8_, rows, elements, threads_);
  }
  double product_seconds(const MatrixWork& matrix) const {
    const double rate = machine_.kernel_rate(matrix.type, matrix.tokens, threads_, set_, matrix.cols);
    const double macs = matrix.rows * matrix.cols * matrix.tokens * matrix.count;
    return over(macs, rate) * imbalance(matrix.rows / static_cast<double>(ops::kRowsPerShare), threads_);
  }
  double attention_seconds(const OpWork& work) const {
    const AttentionWork& a = work.attention;
    if (a.kv_heads == 0) return 0;
    const bool many = a.rows_per_sequence > kDirectCols;
    const double starts = rows_ * a.kv_heads, scores = a.scores * a.kv_heads;
    // One row is cut at ranges of keys; many make tiles enough for everybody.
    const double units = many ? 0 : starts * std::ceil(a.scores / rows_ / kKeyRange);
    return machine_.attention_seconds(a.kv, static_cast<int>(a.head_dim), a.group, many, work.operations.bf16 > 0,
                                      starts, scores, set_, threads_) *
           imbalance(units, threads_);
  }
  static double over(double amount, double rate) { return rate > 0 ? amount / rate : 0; }

  double rows_;
  const Machine& machine_;
  int threads_;
  double set_ = 0, bandwidth_ = 0;
  bool cached_ = false;
  bool int8_ = true;
};

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
  const Pricing pricing(ledger, machine, threads);
  Prediction prediction;
  prediction.working_set = pricing.working_set();
  prediction.bandwidth = pricing.bandwidth();
  int layers = 0;
  for (const OpWork& work : ledger.ops) {
    layers = std::max(layers, work.layer + 1);
    prediction.ops.push_back(pricing.price(work));
  }
  prediction.meeting_seconds = machine.meeting_seconds(layers, prediction.seconds(), threads);
  if (prediction.meeting_seconds == 0 && threads > 1)  // not measured
    prediction.meeting_seconds = ledger.barriers * machine.barrier_seconds(threads) + machine.region_seconds(threads);
  return prediction;
}

PassForecast forecast_prompt(const ModelSpec& spec, PassOptions pass, std::int64_t depth, std::int64_t prompt,
                             std::int64_t batch, const Machine& machine, int threads) {
  PassForecast result;
  for (std::int64_t done = 0; done < prompt; done += pass.tokens) {
    pass.position = depth + done;
    pass.tokens = std::min(batch, prompt - done);
    pass.logits = done + pass.tokens == prompt ? 1 : 0;
    const Ledger work = pass_work(spec, pass);
    result.prediction += predict(work, machine, threads);
    result.work.rows += work.rows;
    result.work.barriers += work.barriers;
    result.work.ops.insert(result.work.ops.end(), work.ops.begin(), work.ops.end());
  }
  return result;
}

Forecast forecast(const ModelSpec& spec, const ForecastOptions& options, const Machine& machine) {
  check_spec(spec, spec.name.empty() ? "configuration" : spec.name);
  const auto check = [](std::string_view name, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high)
      throw Error(ErrorCode::invalid_argument, std::string(name) + " is " + std::to_string(value) + ", expected " +
                                                   std::to_string(low) + " to " + std::to_string(high));
  };
  check("context", options.context, 1, SpecLimits::kContext);
  check("prompt", options.prompt, 1, options.context);
  check("batch", options.batch, 1, SpecLimits::kContext);
  check("threads", options.threads, 0, 65536);
  check_kv_type(options.kv);
  Forecast result;
  result.threads = options.threads > 0 ? options.threads : machine.max_threads();
  result.parameters = count_parameters(spec);
  result.memory = memory_use(spec, options.weights, options.kv, options.context, options.sequences, options.batch);
  result.fits = machine.system.memory_bytes <= 0 || result.memory.total() <= machine.system.memory_bytes;

  PassOptions pass{.weights = options.weights,
                   .kv = options.kv,
                   .position = 0,
                   .tokens = 1,
                   .sequences = options.sequences,
                   .bf16_dot = machine.peak(Arithmetic::bf16, 1) > 0};
  PassOptions one = pass;  // a prompt is read alone
  one.sequences = 1;
  const std::int64_t batch = reads_at_once(spec) ? std::max(options.batch, options.prompt) : options.batch;
  PassForecast prompt = forecast_prompt(spec, one, 0, options.prompt, batch, machine, result.threads);
  result.prefill = std::move(prompt.prediction);
  result.prefill_ledger = std::move(prompt.work);
  result.generates = generates(spec);
  if (!result.generates) return result;
  pass.position = std::min(options.prompt, options.context - 1);
  result.decode_ledger = pass_work(spec, pass);
  result.decode = predict(result.decode_ledger, machine, result.threads);
  pass.position = options.context - 1;
  result.decode_full = predict(pass_work(spec, pass), machine, result.threads);
  return result;
}

}  // namespace plumb
