// Which points a sweep has: the grid of its dimension and what each value makes of the base.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../core/format.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/sweep.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

/// What a value of the dimension may be.
struct ValueRange {
  double from, to;   // when not asked for
  double low, high;  // bounds
  double grain;      // values are multiples of this
};

constexpr int kExpertsUsed = 2;

const AttentionSpec& attention_of(const ModelSpec& base) {
  const AttentionSpec* attention = first_attention(base);
  if (!attention) fail("the base of the sweep has no attention with a key and a value per KV head");
  return *attention;
}

ValueRange range_of(Dimension dimension, const ModelSpec& base) {
  switch (dimension) {
    case Dimension::size: return {0.5e6, 2e9, 1, 1e15, 1};
    case Dimension::type: return {1, 32, 1, 32, 0};
    case Dimension::width: {
      const AttentionSpec& attention = attention_of(base);
      const double grain = attention.head_dim * attention.group_size();
      return {grain, 8 * grain, grain, SpecLimits::kWidth, grain};
    }
    case Dimension::depth: return {1, 32, 1, SpecLimits::kLayers, 1};
    case Dimension::vocab: return {1000, 128000, 16, SpecLimits::kVocab, 16};
    case Dimension::gqa: {
      const double heads = attention_of(base).n_heads;
      return {1, heads, 1, heads, 1};
    }
    case Dimension::experts: return {2, 64, kExpertsUsed, SpecLimits::kExperts, 1};
    case Dimension::context: return {64, 2048, 1, SpecLimits::kContext, 1};
    case Dimension::batch: return {1, 32, 1, 512, 1};
    case Dimension::threads: return {1, static_cast<double>(default_threads()), 1, 4096, 1};
  }
  return {};
}

/// Ends of the range: asked for and checked, or the default.
std::pair<double, double> ends(const SweepOptions& options, const ValueRange& range) {
  const std::string_view name = dimension_name(options.dimension);
  const auto checked = [&](std::string_view option, double value) {
    if (!(value >= range.low && value <= range.high))
      fail(formatted("--{} {:.15g} of a sweep over {}: expected {:.15g} to {:.15g}", option, value, name, range.low,
                     range.high));
    if (range.grain > 0 && std::fmod(value, range.grain) != 0)
      fail(formatted("--{} {:.15g} of a sweep over {}: expected a multiple of {:.15g}{}", option, value, name,
                     range.grain,
                     options.dimension == Dimension::width ? ", head size times query heads per KV head" : ""));
    return value;
  };
  double from = options.from ? checked("from", *options.from) : range.from;
  double to = options.to ? checked("to", *options.to) : range.to;
  if (!options.from && from > to) from = std::max(range.low, to);
  if (!options.to && to < from) to = from;
  if (from > to) fail(formatted("a sweep over {} from {:.15g} to {:.15g}: expected a rising range", name, from, to));
  return {from, to};
}

/// `steps` multiples of `grain`, near a geometric progression, without doubles.
std::vector<double> grid(double from, double to, int steps, double grain) {
  if (steps < 1 || steps > 1000) fail(formatted("{} steps of a sweep: expected 1 to 1000", steps));
  std::vector<double> values;
  for (int i = 0; i < steps; ++i) {
    const double share = steps == 1 ? 0 : static_cast<double>(i) / (steps - 1);
    double value = from * std::pow(to / from, share);
    value = std::clamp(std::round(value / grain) * grain, from, to);
    if (values.empty() || value > values.back()) values.push_back(value);
  }
  return values;
}

/// Query heads per KV head: only divisors of the heads make sense.
std::vector<double> divisors(int n, double from, double to) {
  std::vector<double> values;
  for (int d = 1; d <= n; ++d)
    if (n % d == 0 && d >= from && d <= to) values.push_back(d);
  if (values.empty()) fail(formatted("no number from {:.15g} to {:.15g} divides {} query heads", from, to, n));
  return values;
}

std::string upper(std::string_view text) {
  std::string up;
  for (const char c : text) up += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return up;
}

std::vector<std::string> types_of(const SweepOptions& options, double from, double to) {
  std::vector<std::string> types = options.types;
  if (types.empty() && options.dimension == Dimension::size) types = {"f16", "q8_0", "q4_0"};
  if (types.empty() && options.dimension == Dimension::type)
    for (const DTypeInfo& info : kDTypes)
      if (info.computed && info.bits_per_weight() >= from && info.bits_per_weight() <= to)
        types.emplace_back(info.name);
  if (types.empty() && options.dimension == Dimension::type)
    fail(formatted("no weight type has {:.15g} to {:.15g} bits per weight", from, to));
  if (types.empty()) types = {"q8_0"};
  return types;
}

/// The base with layers of another width: as many heads as fill it, an inner width in proportion.
ModelSpec with_width(const ModelSpec& base, int width) {
  ModelSpec spec = base;
  spec.width = width;
  for_each_attention(spec, [&](AttentionSpec& attention) {
    const int group = attention.group_size();
    attention.n_heads = width / attention.head_dim;
    attention.n_kv_heads = attention.n_heads / group;
  });
  for (LayerSpec& layer : spec.layers)
    if (auto* dense = std::get_if<DenseSpec>(&layer.ffn))
      dense->inner = static_cast<int>(std::round(static_cast<double>(width) * dense->inner / base.width / 32) * 32);
  return spec;
}

/// The base with `count` experts in place of each dense feed-forward block.
ModelSpec with_experts(const ModelSpec& base, int count) {
  ModelSpec spec = base;
  for (LayerSpec& layer : spec.layers)
    if (const auto* dense = std::get_if<DenseSpec>(&layer.ffn)) {
      ExpertsSpec experts;
      experts.count = count;
      experts.used = kExpertsUsed;
      experts.expert = *dense;
      layer.ffn = experts;
    }
  return spec;
}

/// The base with one value of the dimension.
SweepCase with_value(const SweepOptions& options, const ModelSpec& base, double value) {
  SweepCase c;
  c.value = value;
  c.spec = base;
  c.measure = options.measure;
  c.label = formatted("{} {:.15g}", dimension_name(options.dimension), value);
  const int n = static_cast<int>(value);
  switch (options.dimension) {
    case Dimension::size: break;
    case Dimension::type: c.label = base.name; break;
    case Dimension::width: c.spec = with_width(base, n); break;
    case Dimension::depth: c.spec.layers.resize(static_cast<std::size_t>(n), base.layers.front()); break;
    case Dimension::vocab: c.spec.vocab_size = n; break;
    case Dimension::gqa:
      for_each_attention(c.spec, [&](AttentionSpec& attention) { attention.n_kv_heads = attention.n_heads / n; });
      if (c.measure.depth == 0) c.measure.depth = 1024;  // so that keys and values weigh something
      break;
    case Dimension::experts: c.spec = with_experts(base, n); break;
    case Dimension::context: c.measure.depth = n; break;
    case Dimension::batch: c.measure.session.sequences = n; break;
    case Dimension::threads: c.measure.session.threads = n; break;
  }
  const std::int64_t needed = std::int64_t{c.measure.depth} + std::max({c.measure.prompt, c.measure.tokens, 1});
  c.spec.context =
      static_cast<int>(std::min<std::int64_t>(std::max<std::int64_t>(c.spec.context, needed), SpecLimits::kContext));
  if (options.dimension != Dimension::size && options.dimension != Dimension::type) c.spec.name = c.label;
  return c;
}

std::vector<SweepCase> settings(const SweepOptions& options, const ModelSpec& base, double from, double to,
                                double grain) {
  std::vector<SweepCase> all;
  if (options.dimension == Dimension::size) {
    for (const ModelSpec& spec : measurement_family()) {
      const auto parameters = static_cast<double>(count_parameters(spec).total());
      if (parameters < from || parameters > to) continue;
      all.push_back(with_value(options, spec, parameters));
      all.back().label = spec.name;
    }
    if (all.empty()) fail(formatted("the family has no model of {:.4g} to {:.4g} parameters", from, to));
    return all;
  }
  const std::vector<double> values = options.dimension == Dimension::type ? std::vector{0.0}
                                     : options.dimension == Dimension::gqa
                                         ? divisors(attention_of(base).n_heads, from, to)
                                         : grid(from, to, options.steps, grain);
  for (const double value : values) all.push_back(with_value(options, base, value));
  return all;
}

void check_memory(const SweepCase& c, double available) {
  const double needed = memory_use(c.spec, weight_types_by_name(c.type, c.spec), c.measure.session.kv,
                                   c.measure.session.context, c.measure.session.sequences, c.measure.session.batch)
                            .total();
  if (available > 0 && needed > available)
    throw Error(ErrorCode::out_of_memory, formatted("{} {}: needs {:.3g} GB of memory, {:.3g} GB are available",
                                                    c.label, c.type, needed * 1e-9, available * 1e-9));
}

struct Name {
  Dimension dimension;
  std::string_view name;
};
constexpr Name kNames[] = {{Dimension::size, "size"},       {Dimension::type, "type"},
                           {Dimension::width, "width"},     {Dimension::depth, "depth"},
                           {Dimension::vocab, "vocab"},     {Dimension::gqa, "gqa"},
                           {Dimension::experts, "experts"}, {Dimension::context, "context"},
                           {Dimension::batch, "batch"},     {Dimension::threads, "threads"}};

}  // namespace

std::string_view dimension_name(Dimension dimension) {
  return std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& n) { return n.dimension == dimension; })
      ->name;
}

Dimension dimension_from_name(std::string_view name) {
  std::string known;
  for (const Name& n : kNames) {
    if (n.name == name) return n.dimension;
    known += (known.empty() ? "" : ", ") + std::string(n.name);
  }
  fail("no dimension " + quote(name) + " to sweep over; known: " + known);
}

std::vector<SweepCase> plan_sweep(const SweepOptions& options) {
  const ModelSpec base = options.base ? *options.base : measurement_family()[3];
  check_runnable(base, base.name.empty() ? "base of the sweep" : base.name);
  const ValueRange range = range_of(options.dimension, base);
  const auto [from, to] = ends(options, range);
  const std::vector<std::string> types = types_of(options, from, to);
  const double available = read_system_info().memory_available;
  std::vector<SweepCase> cases;
  for (SweepCase c : settings(options, base, from, to, range.grain)) {
    c.measure = fitted_options(c.measure, c.spec);
    check_runnable(c.spec, c.label);
    for (const std::string& type : types) {
      c.type = upper(type);
      if (options.dimension == Dimension::type)
        c.value = dtype_info(weight_types_by_name(type, c.spec).matrices()).bits_per_weight();
      check_memory(c, available);
      cases.push_back(c);
    }
  }
  if (options.dimension == Dimension::type)
    std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  return cases;
}

}  // namespace plumb
