#include "plumb/perf/measure.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/weight_mixes.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "types.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  RunOptions run;
  std::string preset;
  std::vector<std::string> types;
  MeasureOptions measure;
  Format format = Format::text;
  bool progress = false;
};

std::string type_text(const WeightTypes& types) {
  return std::string(dtype_name(types.matrices())) + (types.uniform() ? "" : " mixed");
}

Table config_table(const Measurement& m) {
  const ModelConfig& c = m.config;
  Table table({{"configuration", Table::Align::left}, {"", Table::Align::right}});
  const auto row = [&](const char* name, const std::string& value) { table.add({name, value}); };
  row("model", printable(m.name));
  row("architecture", c.architecture);
  row("layers", std::to_string(c.n_layers));
  row("width", std::to_string(c.width));
  row("heads / KV heads x size", fmt::format("{} / {} x {}", c.n_heads, c.n_kv_heads, c.head_dim));
  row("feed-forward width", std::to_string(c.ffn_dim));
  row("vocabulary", fmt::format("{}{}", c.vocab_size, c.tied_head ? " (tied head)" : ""));
  row("context", std::to_string(c.context));
  row("kernels, threads, KV", fmt::format("{}, {}, {}", m.tier, m.threads, kv_name(m.kv)));
  return table;
}

Table speed_table(const std::vector<Measurement>& all) {
  using A = Table::Align;
  Table table({{"model", A::left},
               {"params", A::right},
               {"type", A::left},
               {"weights MB", A::right},
               {"MB/token", A::right},
               {"MOP/token", A::right},
               {"KV kB/token", A::right},
               {"prefill", A::left},
               {"tokens/s", A::right},
               {"GOP/s", A::right},
               {"decode", A::left},
               {"tokens/s ", A::right},
               {"GB/s", A::right},
               {"GOP/s ", A::right},
               {"spread", A::right}});
  for (const Measurement& m : all) {
    const auto number = [](bool measured, double value) { return measured ? fmt::format("{:.4g}", value) : "-"; };
    const bool prefill = m.prefill.tokens > 0, decode = m.decode.tokens > 0;
    const double bytes = m.token_bytes.weights() + m.token_bytes.kv_read + m.token_bytes.kv_write;
    const std::string depth = m.depth > 0 ? fmt::format(" @ {}", m.depth) : "";
    table.add({printable(m.name), count_text(static_cast<double>(m.parameters.total())), type_text(m.weights),
               fmt::format("{:.4g}", m.weight_bytes * 1e-6), fmt::format("{:.4g}", bytes * 1e-6),
               fmt::format("{:.4g}", m.token_operations.total() * 1e-6),
               fmt::format("{:.4g}", m.kv_bytes_per_token * 1e-3),
               prefill ? fmt::format("{}{}", m.prefill.tokens, depth) : "-",
               number(prefill, m.prefill.tokens_per_second()), number(prefill, m.prefill.gigaops_per_second()),
               decode ? fmt::format("{}{}", m.decode.tokens, depth) : "-", number(decode, m.decode.tokens_per_second()),
               number(decode, m.decode.gigabytes_per_second()), number(decode, m.decode.gigaops_per_second()),
               decode ? fmt::format("{:.1f}%", 100 * (m.decode.slowest() / m.decode.fastest() - 1)) : "-"});
  }
  return table;
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

Json to_json(const Measurement& m) {
  const ModelConfig& c = m.config;
  return {{"name", printable(m.name)},
          {"config",
           {{"architecture", c.architecture},
            {"n_layers", c.n_layers},
            {"width", c.width},
            {"n_heads", c.n_heads},
            {"n_kv_heads", c.n_kv_heads},
            {"head_dim", c.head_dim},
            {"ffn_dim", c.ffn_dim},
            {"vocab_size", c.vocab_size},
            {"context", c.context},
            {"tied_head", c.tied_head}}},
          {"parameters", m.parameters.total()},
          {"active_parameters", m.parameters.active()},
          {"weight_type", type_text(m.weights)},
          {"weight_bytes", m.weight_bytes},
          {"bytes_per_token", m.token_bytes.weights() + m.token_bytes.kv_read + m.token_bytes.kv_write},
          {"weight_bytes_per_token", m.token_bytes.weights()},
          {"operations_per_token", m.token_operations.total()},
          {"kv_bytes_per_token", m.kv_bytes_per_token},
          {"kv_type", kv_name(m.kv)},
          {"depth", m.depth},
          {"threads", m.threads},
          {"tier", m.tier},
          {"prefill", timing_json(m.prefill)},
          {"decode", timing_json(m.decode)}};
}

void print(const std::vector<Measurement>& all, const Arguments& arguments) {
  switch (arguments.format) {
    case Format::json: {
      Json out = Json::array();
      for (const Measurement& m : all) out.push_back(to_json(m));
      fmt::print("{}\n", out.dump(2));
      return;
    }
    case Format::csv: fmt::print("{}", speed_table(all).csv()); return;
    case Format::md: fmt::print("{}", speed_table(all).markdown()); return;
    case Format::text:
      if (all.size() == 1) fmt::print("{}\n", config_table(all.front()).text());
      fmt::print("{}", speed_table(all).text());
  }
}

void run(Arguments& arguments) {
  arguments.measure.session.threads = arguments.run.session.threads;
  arguments.measure.session.kv = kv_type(arguments.run.kv);
  Progress progress(arguments.progress || ::isatty(STDERR_FILENO) == 1);
  std::vector<Measurement> all;
  const auto add = [&](const std::string& name, const auto& make) {
    const auto show = [&](std::string_view what, double done) {
      progress.show(done, fmt::format("{}: {}", name, what));
    };
    show("loading", 0);
    LoadOptions load = arguments.run.load();
    load.tokenizer = false;
    load.method = QuantMethod::nearest;  // a minute sooner than the search on 1.1B weights, and as fast afterwards
    load.progress = [&](double done) { show("loading", done); };
    const Model model = make(load);
    arguments.measure.progress = show;
    all.push_back(measure(model, arguments.measure));
  };
  if (!arguments.run.model.empty()) {
    for (const std::string& type : arguments.types.empty() ? std::vector<std::string>{""} : arguments.types)
      add(printable(arguments.run.model), [&](LoadOptions load) {
        load.weights = type;
        return Model::load(arguments.run.model, load);
      });
  } else {
    const std::vector<ModelConfig> configs =
        arguments.preset.empty() ? measurement_family() : std::vector{preset_config(arguments.preset)};
    for (const std::string& type : arguments.types.empty() ? std::vector<std::string>{"q8_0"} : arguments.types)
      for (const ModelConfig& config : configs)
        add(config.name, [&](const LoadOptions& load) {
          return Model::random(config, weight_types_by_name(type, config), 0, load);
        });
  }
  print(all, arguments);
}

}  // namespace

void add_measure(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  MeasureOptions& measure = arguments->measure;
  CLI::App& command = *app.add_subcommand(
      "measure",
      "Measure a model: what a token needs, how fast it comes, what that achieves. Without a model, a family "
      "of random-weight models from small to large");
  auto* model = command.add_option("model", arguments->run.model, "Model file")->type_name("MODEL");
  auto* preset = command.add_option("--preset", arguments->preset, "A known configuration with random weights");
  model->excludes(preset);
  command
      .add_option(
          "--type", arguments->types,
          "Weight types, separated by commas: int4g64, q4_k_m, ... (default: as the file has them; random models "
          "q8_0)")
      ->delimiter(',');
  const CLI::Range length(0, 1 << 30);
  command.add_option("-p,--prompt", measure.prompt, "Tokens of the measured prefill; 0: none")
      ->check(length)
      ->capture_default_str();
  command.add_option("-n,--n-predict", measure.tokens, "Tokens decoded one by one; 0: none")
      ->check(length)
      ->capture_default_str();
  command.add_option("-d,--depth", measure.depth, "Tokens in the cache before")->check(length)->capture_default_str();
  command.add_option("-r,--repetitions", measure.repetitions, "Timed runs; the median counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--max-seconds", measure.max_seconds, "No further repetition starts after this long")
      ->capture_default_str();
  command.add_flag("--progress", arguments->progress, "Show progress on stderr even if it is no terminal");
  add_run_options(command, arguments->run);
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
