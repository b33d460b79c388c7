/// `plumb decide`: which models this machine runs within a budget of memory and time.

#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "decide_output.hpp"
#include "machine_option.hpp"
#include "options.hpp"
#include "plumb/core/quantity.hpp"
#include "progress.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

/// A context that was not given holds the prompt and an answer of so many tokens, and no less than the usual one.
constexpr std::int64_t kUsualContext = 4096, kUsualAnswer = 512;

struct DecideCommand {
  std::string latency, memory, first_token, machine;
  std::int64_t context = 0, prompt = 0;  // 0: not said
  FitOptions options;
  std::size_t shown = 10;
  bool verify = false;
  Format format = Format::text;
};

/// The largest choice that has a forward pass. @throws Error{invalid_argument} when there is none.
const FitChoice& first_runnable(const FitResult& result) {
  for (const FitChoice& c : result.choices)
    if (c.runnable) return c;
  throw Error(ErrorCode::invalid_argument,
              "no model that fits this budget can be run here, so there is nothing to verify");
}

void set_lengths(const DecideCommand& command, Budget& budget) {
  if (command.prompt > 0) budget.prompt = command.prompt;
  budget.context = command.context > 0 ? command.context : std::max(kUsualContext, budget.prompt + kUsualAnswer);
  if (command.prompt > 0 && budget.prompt > budget.context)
    throw UsageError(fmt::format("--prompt is {}, which --ctx {} has no room for", budget.prompt, budget.context));
  budget.prompt = std::min(budget.prompt, budget.context);  // the usual one, in a short context
}

/// The memory that may be used, and who says so.
std::string set_memory(const DecideCommand& command, const Machine& machine, Budget& budget) {
  if (!command.memory.empty()) {
    budget.memory = parse_bytes(command.memory, "--memory");
    return "given";
  }
  const bool here = command.machine.empty();
  budget.memory = here ? read_system_info().memory_available : machine.system.memory_bytes;
  if (budget.memory <= 0) throw UsageError("how much memory there is cannot be found out: say it with --memory");
  return here ? "free now" : "all that the machine has";
}

void run(DecideCommand& command) {
  Decision decision;
  decision.options = command.options;
  decision.shown = command.shown;
  Budget& budget = decision.options.budget;
  set_lengths(command, budget);
  if (!command.latency.empty()) budget.latency = parse_seconds(command.latency, "--latency");
  if (!command.first_token.empty()) budget.first_token = parse_seconds(command.first_token, "--ttft");
  {
    Progress progress;
    const Machine& machine = decision.profile = machine_of(command.machine, progress);
    warn_of_threads(machine, command.options.threads);
    decision.machine = machine.system.cpu.empty() ? "an unnamed processor" : machine.system.cpu;
    decision.memory_from = set_memory(command, machine, budget);
    progress.show(0, "predicting");
    decision.result = fit_models(decision.options, machine);
    if (command.verify) {
      const FitChoice& choice = first_runnable(decision.result);
      const double needed = choice.forecast.memory.total(), free = read_system_info().memory_available;
      if (needed > free)
        throw Error(ErrorCode::out_of_memory,
                    fmt::format("{} in {} needs {}, and {} are free: it cannot be measured", choice.name, choice.type,
                                binary_size(needed), binary_size(free)));
      decision.verified = choice.name;
      decision.measured = verify_choice(choice, decision.options,
                                        [&](std::string_view what, double done) { progress.show(done, what); });
    }
  }
  print_decision(decision, command.format);
}

}  // namespace

void add_decide(const Command& program) {
  auto command = std::make_shared<DecideCommand>();
  command->options.kv = kUsualKv;
  const Command sub =
      program.add_command("decide", "Which models this machine runs within a budget of memory and time");
  const auto seconds = readable_by([](const std::string& text) { return parse_seconds(text, "the time"); });
  sub.add_option("--memory", command->memory,
                 "Weights, keys and values, and scratch, such as 16GB (default: what is free now)")
      .check(readable_by([](const std::string& text) { return parse_bytes(text, "the memory"); }));
  sub.add_option("--latency", command->latency, "Time between two tokens at the end of the context, such as 60ms")
      .check(seconds);
  sub.add_option("--ttft", command->first_token, "Time to the first token after the prompt, such as 3s").check(seconds);
  add_prompt(sub, command->prompt, "Tokens of that prompt, such as 2k (default 512)", 1);
  add_context(sub, command->context, "Positions of each user (default 4096, more if the prompt is longer)");
  add_sequences(sub, command->options.budget.users);
  sub.add_option("--quality", command->options.score,
                 "Only models with at least this MMLU score (percent, 5 shots), as their makers published it")
      .positive();
  sub.add_option("--type", command->options.types,
                 fmt::format("Weight types to choose from, separated by commas (default {}): {}",
                             fmt::join(kFitTypes, ","), kTypeHelp))
      .comma_separated()
      .check(type_problem);
  add_kv(sub, command->options.kv);
  add_threads(sub, command->options.threads);
  sub.add_flag("--free", command->options.free_shape, "Free width and depth of a Llama shape instead of presets");
  sub.add_flag("--runnable", command->options.runnable, "Only models that can be run here");
  sub.add_flag("--verify", command->verify, "Measure the largest one that runs, with random weights");
  sub.add_option("--show", command->shown, "Rows of the table").range(1, 1000).show_default();
  add_machine(sub, command->machine).excludes("--verify");
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
