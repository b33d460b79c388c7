/// `plumb fit`: the largest models that this machine runs within a budget.

#include "plumb/perf/fit.hpp"
#include "machine_option.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/quantity.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Json = nlohmann::ordered_json;
using Align = Table::Align;

struct FitCommand {
  std::string latency, memory, first_token, machine;
  FitOptions options;
  std::size_t shown = 10;
  bool verify = false;
  Format format = Format::text;
};

Table choice_table(const std::vector<FitChoice>& choices, std::size_t shown) {
  Table table({{"model", Align::left},
               {"params", Align::right},
               {"type", Align::left},
               {"memory", Align::right},
               {"token at the end", Align::right},
               {"first token", Align::right},
               {"token waits for", Align::left},
               {"runs here", Align::left}});
  for (const FitChoice& c : choices) {
    if (shown-- == 0) break;
    table.add({c.name, count_text(static_cast<double>(c.forecast.parameters.total())), c.type,
               binary_size(c.forecast.memory.total()), time_text(c.latency()),
               time_text(c.forecast.time_to_first_token()), std::string(ceiling_name(c.forecast.decode_full.ceiling())),
               c.runnable ? "yes" : "no forward pass"});
  }
  return table;
}

Table verified_table(const FitChoice& c, const Measurement& m) {
  Table table({{"verified: " + c.name + ' ' + c.type, Align::left},
               {"predicted", Align::right},
               {"measured", Align::right},
               {"ratio", Align::right}});
  const auto row = [&](const char* what, double predicted, double measured) {
    table.add({what, time_text(predicted), time_text(measured), fmt::format("{:.2f}", predicted / measured)});
  };
  row("token at the end of the context", c.latency(), m.decode.seconds_per_pass());
  row("first token", c.forecast.time_to_first_token(), m.prefill.median());
  return table;
}

Json choice_json(const FitChoice& c) {
  return {{"model", c.name},
          {"parameters", c.forecast.parameters.total()},
          {"type", c.type},
          {"width", c.spec.width},
          {"layers", c.spec.n_layers()},
          {"memory_bytes", c.forecast.memory.total()},
          {"seconds_per_token", c.latency()},
          {"seconds_to_first_token", c.forecast.time_to_first_token()},
          {"waits_for", ceiling_name(c.forecast.decode_full.ceiling())},
          {"runs_here", c.runnable}};
}

/// The largest choice that has a forward pass.
const FitChoice* first_runnable(const std::vector<FitChoice>& choices) {
  for (const FitChoice& c : choices)
    if (c.runnable) return &c;
  return nullptr;
}

void print(const FitCommand& command, const std::vector<FitChoice>& choices, const FitChoice* verified,
           const std::optional<Measurement>& m) {
  if (command.format == Format::json) {
    Json all = Json::array();
    for (const FitChoice& c : choices) all.push_back(choice_json(c));
    Json out = {{"choices", all}, {"verified", nullptr}};
    if (m)
      out["verified"] = {{"model", verified->name},
                         {"type", verified->type},
                         {"seconds_per_token", m->decode.seconds_per_pass()},
                         {"seconds_to_first_token", m->prefill.median()}};
    fmt::print("{}\n", out.dump(2));
    return;
  }
  const auto show = [&](const Table& table) {
    fmt::print("{}", command.format == Format::csv  ? table.csv()
                     : command.format == Format::md ? table.markdown()
                                                    : table.text());
  };
  if (choices.empty() && command.format == Format::text) fmt::print("no model fits this budget\n");
  if (!choices.empty()) show(choice_table(choices, command.shown));
  if (choices.size() > command.shown && command.format == Format::text)
    fmt::print("and {} smaller ones (--show)\n", choices.size() - command.shown);
  if (m) fmt::print("\n"), show(verified_table(*verified, *m));
}

void run(FitCommand command) {
  FitOptions& options = command.options;
  if (command.latency.empty() && command.memory.empty() && command.first_token.empty())
    throw UsageError("a budget is needed: --latency, --memory or --ttft");
  if (!command.latency.empty()) options.budget.latency = parse_seconds(command.latency, "--latency");
  if (!command.memory.empty()) options.budget.memory = parse_bytes(command.memory, "--memory");
  if (!command.first_token.empty()) options.budget.first_token = parse_seconds(command.first_token, "--ttft");
  options.budget.prompt = std::min(options.budget.prompt, options.budget.context);
  Progress progress;
  const Machine machine = machine_of(command.machine, progress);
  warn_of_threads(machine, options.threads);
  const std::vector<FitChoice> choices = fit_models(options, machine);
  std::optional<Measurement> measured;
  const FitChoice* verified = command.verify ? first_runnable(choices) : nullptr;
  if (command.verify && !verified)
    throw Error(ErrorCode::invalid_argument,
                "no model that fits this budget can be run here, so there is nothing to verify");
  if (verified)
    measured =
        verify_choice(*verified, options, [&](std::string_view what, double done) { progress.show(done, what); });
  print(command, choices, verified, measured);
}

}  // namespace

void add_fit(const Command& program) {
  auto command = std::make_shared<FitCommand>();
  const Command sub = program.add_command("fit", "The largest models that this machine runs within a budget");
  const auto seconds = readable_by([](const std::string& text) { return parse_seconds(text, "the time"); });
  sub.add_option("--latency", command->latency, "Time per token at the end of the context, such as 50ms")
      .check(seconds);
  sub.add_option("--memory", command->memory,
                 "Weights, keys and values, and scratch, such as 6GB (default: the machine's)")
      .check(readable_by([](const std::string& text) { return parse_bytes(text, "the memory"); }));
  sub.add_option("--context", command->options.budget.context, "Positions to make room for")
      .range(1, 1 << 30)
      .show_default();
  sub.add_option("--ttft", command->first_token, "Time to the first token after the prompt, such as 2s").check(seconds);
  sub.add_option("--prompt", command->options.budget.prompt, "Tokens of that prompt").range(1, 1 << 30).show_default();
  sub.add_option("--type", command->options.types,
                 fmt::format("Weight types to choose from, separated by commas: {}", kTypeHelp))
      .comma_separated()
      .check(type_problem);
  add_kv(sub, command->options.kv);
  add_threads(sub, command->options.threads);
  sub.add_flag("--free", command->options.free_shape, "Free width and depth of a Llama shape instead of presets");
  sub.add_flag("--runnable", command->options.runnable, "Only models that can be run here");
  sub.add_flag("--verify", command->verify, "Measure the largest one that runs, with random weights");
  sub.add_option("--show", command->shown, "Rows of the table").range(1, 1000).show_default();
  sub.add_option("--machine", command->machine, "Profile of another machine").excludes("--verify");
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
