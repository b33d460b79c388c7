#include "measurement.hpp"

#include <fmt/format.h>

#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

std::string type_text(const WeightTypes& types) {
  return std::string(dtype_name(types.matrices())) + (types.uniform() ? "" : " mixed");
}

Json timing_json(const PassTiming& t) {
  if (t.tokens == 0) return nullptr;
  const Traffic bytes = t.work.bytes();
  return {{"tokens", t.tokens},
          {"seconds", t.seconds},
          {"median_seconds", t.median()},
          {"tokens_per_second", t.tokens_per_second()},
          {"operations", t.work.operations().total()},
          {"weight_bytes", bytes.weights()},
          {"kv_bytes", bytes.kv_read + bytes.kv_write},
          {"gigabytes_per_second", t.gigabytes_per_second()},
          {"gigaops_per_second", t.gigaops_per_second()}};
}

/// Of the first layer that has a feed-forward block; of an expert, where these are all that a layer has.
int inner_width(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    if (const auto* dense = std::get_if<DenseSpec>(&layer.ffn)) return dense->inner;
  const ExpertsSpec* experts = first_experts(spec);
  return experts ? experts->expert.inner : 0;
}

/// The shape of the first layers stands for all.
Json spec_json(const ModelSpec& c) {
  const AttentionSpec* a = first_attention(c);
  const AttentionSpec none;
  if (!a) a = &none;
  return {{"architecture", c.family},  {"n_layers", c.n_layers()},    {"width", c.width},
          {"n_heads", a->n_heads},     {"n_kv_heads", a->n_kv_heads}, {"head_dim", a->head_dim},
          {"ffn_dim", inner_width(c)}, {"vocab_size", c.vocab_size},  {"context", c.context},
          {"tied_head", c.output.tied}};
}

}  // namespace

Json measure_settings(const RunOptions& run, const MeasureOptions& options) {
  Json settings = run_settings(run);
  settings.update({{"prompt", options.prompt},
                   {"n_predict", options.tokens},
                   {"depth", options.depth},
                   {"repetitions", options.repetitions},
                   {"max_seconds", options.max_seconds}});
  return settings;
}

Table config_table(const Measurement& m) {
  const ModelSpec& c = m.spec;
  Table table({{"configuration", Table::Align::left}, {"", Table::Align::right, "value"}});
  const auto row = [&](const char* name, const std::string& value) { table.add({name, value}); };
  row("model", printable(m.name));
  row("architecture", c.family);
  row("layers", std::to_string(c.n_layers()));
  row("width", std::to_string(c.width));
  if (const AttentionSpec* a = first_attention(c))
    row("heads / KV heads x size", fmt::format("{} / {} x {}", a->n_heads, a->n_kv_heads, a->head_dim));
  row("feed-forward width", std::to_string(inner_width(c)));
  row("vocabulary", fmt::format("{}{}", c.vocab_size, c.output.tied ? " (tied head)" : ""));
  row("context", std::to_string(c.context));
  row("kernels, threads, KV", fmt::format("{}, {}, {}", m.tier, m.threads, kv_type_name(m.kv)));
  row("weights", m.kernels);
  row("pages, huge pages, governor", fmt::format("{}, {}, {}", binary_size(m.system.page_bytes), m.system.huge_pages,
                                                 m.system.governor.empty() ? "not shown" : m.system.governor));
  return table;
}

Table speed_table(const std::vector<Measurement>& all) {
  using A = Table::Align;
  Table table({{"model", A::left},
               {"params", A::right},
               {"type", A::left},
               {"weights MB", A::right, "weights, bytes"},
               {"MB/token", A::right, "moved per token, bytes"},
               {"MOP/token", A::right, "operations per token"},
               {"KV kB/token", A::right, "KV per token, bytes"},
               {"depth", A::right, "depth, tokens"},
               {"prompt", A::right, "prompt, tokens"},
               {"tokens/s", A::right, "prompt, tokens/s"},
               {"GOP/s", A::right, "prompt, GOP/s"},
               {"decode", A::right, "decoded, tokens"},
               {"tokens/s ", A::right, "decode, tokens/s"},
               {"GB/s", A::right, "decode, GB/s"},
               {"GOP/s ", A::right, "decode, GOP/s"},
               {"spread", A::right, "decode, spread %"}});
  for (const Measurement& m : all) {
    const auto number = [](bool measured, double value) { return measured ? number_cell(value) : no_cell(); };
    const auto scaled = [](double value, double scale) {
      return Cell(fmt::format("{:.4g}", value * scale), plain_number(value));
    };
    const auto tokens = [](int count) { return count > 0 ? Cell(std::to_string(count)) : no_cell(); };
    const bool prefill = m.prefill.tokens > 0, decode = m.decode.tokens > 0;
    const double bytes = m.token_bytes.weights() + m.token_bytes.kv_read + m.token_bytes.kv_write;
    table.add({printable(m.name), count_cell(static_cast<double>(m.parameters.total())), type_text(m.weights),
               scaled(m.weight_bytes, 1e-6), scaled(bytes, 1e-6), scaled(m.token_operations.total(), 1e-6),
               scaled(m.kv_bytes_per_token, 1e-3), std::to_string(m.depth), tokens(m.prefill.tokens),
               number(prefill, m.prefill.tokens_per_second()), number(prefill, m.prefill.gigaops_per_second()),
               tokens(m.decode.tokens), number(decode, m.decode.tokens_per_second()),
               number(decode, m.decode.gigabytes_per_second()), number(decode, m.decode.gigaops_per_second()),
               decode ? percent_cell(m.decode.spread()) : no_cell()});
  }
  return table;
}

Json to_json(const Measurement& m) {
  return {{"name", printable(m.name)},
          {"config", spec_json(m.spec)},
          {"parameters", m.parameters.total()},
          {"active_parameters", m.parameters.active()},
          {"weight_type", type_text(m.weights)},
          {"weight_bytes", m.weight_bytes},
          {"bytes_per_token", m.token_bytes.weights() + m.token_bytes.kv_read + m.token_bytes.kv_write},
          {"weight_bytes_per_token", m.token_bytes.weights()},
          {"operations_per_token", m.token_operations.total()},
          {"kv_bytes_per_token", m.kv_bytes_per_token},
          {"kv_type", kv_type_name(m.kv)},
          {"depth", m.depth},
          {"threads", m.threads},
          {"sequences", m.sequences},
          {"tier", m.tier},
          {"kernels", m.kernels},
          {"page_bytes", m.system.page_bytes},
          {"huge_pages", m.system.huge_pages},
          {"governor", m.system.governor.empty() ? Json() : Json(m.system.governor)},
          {"load_average", m.system.load_average},
          {"prefill", timing_json(m.prefill)},
          {"decode", timing_json(m.decode)}};
}

}  // namespace plumb::cli
