#include "plumb/perf/measure.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "commands.hpp"
#include "measurement.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "progress.hpp"
#include "say.hpp"
#include "sweep.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

struct MeasureArguments {
  RunOptions run;
  std::string preset;
  std::vector<std::string> types;
  MeasureOptions measure;
  std::optional<double> max_seconds;
  SweepArguments sweep;
  Format format = Format::text;
  bool progress = false;
};

void print(const std::vector<Measurement>& all, const MeasureArguments& arguments) {
  switch (arguments.format) {
    case Format::json: {
      Json results = Json::array();
      for (const Measurement& m : all) results.push_back(to_json(m));
      return put("{}", json_document("measure", measure_settings(arguments.run, arguments.measure),
                                     {{"results", std::move(results)}}));
    }
    case Format::csv: put("{}", speed_table(all).csv()); return;
    case Format::md: put("{}", speed_table(all).markdown()); return;
    case Format::text:
      if (all.size() == 1) put("{}\n", config_table(all.front()).text());
      put("{}", speed_table(all).text());
  }
}

/// Time of a point of a sweep when nothing else is said.
constexpr double kSweepSeconds = 3;

/// Sweeps: the family when nothing is named.
void run_sweep_of(const MeasureArguments& arguments, Progress& progress) {
  if (!arguments.run.model.empty()) throw UsageError("a sweep changes the model's shape: name a --preset, not a file");
  if (arguments.run.exact || arguments.run.no_repack)
    throw UsageError("--exact and --no-repack need a model or a preset, and no sweep");
  SweepOptions options;
  if (!arguments.preset.empty()) options.base = preset_spec(arguments.preset);
  options.types = arguments.types;
  options.measure = arguments.measure;
  options.measure.max_seconds = arguments.max_seconds.value_or(kSweepSeconds);
  options.progress = [&](std::string_view what, double done) { progress.show(done, what); };
  run_sweep_command(arguments.sweep, options, progress, arguments.format);
}

void run(MeasureArguments& arguments) {
  arguments.measure.session.threads = arguments.run.session.threads;
  arguments.measure.session.kv = arguments.run.session.kv;
  if (arguments.max_seconds) arguments.measure.max_seconds = *arguments.max_seconds;
  if (arguments.measure.prompt == 0 && arguments.measure.tokens == 0)
    throw UsageError("nothing to measure: --prompt and --n-predict are 0, expected one of them to be more");
  Progress progress(arguments.progress ? ShowProgress::always : ShowProgress::on_terminal);
  const bool family = arguments.run.model.empty() && arguments.preset.empty();
  if (family || !arguments.sweep.dimension.empty()) return run_sweep_of(arguments, progress);
  if (arguments.sweep.given()) throw UsageError("--from, --to, --steps and --report need --sweep, or no model");
  std::vector<Measurement> all;
  const auto add = [&](const std::string& name, const auto& make) {
    const auto show = [&](std::string_view what, double done) {
      progress.show(done, fmt::format("{}: {}", name, what));
    };
    show("loading", 0);
    LoadOptions load = arguments.run.load();
    load.tokenizer = false;
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
    const ModelSpec spec = preset_spec(arguments.preset);
    for (const std::string& type : arguments.types.empty() ? std::vector<std::string>{"q8_0"} : arguments.types)
      add(spec.name, [&](const LoadOptions& load) {
        return Model::random(spec, weight_types_by_name(type, spec), 0, {load.exact, load.repack, load.progress});
      });
  }
  print(all, arguments);
}

}  // namespace

void add_measure(const Command& program) {
  auto arguments = std::make_shared<MeasureArguments>();
  MeasureOptions& measure = arguments->measure;
  measure.prompt = kUsualPrompt;
  const Command command = program.add_command(
      "measure",
      "Measure a model: bytes, operations and time of a token, and the rates reached. Without a model, a family "
      "of random-weight models from about 1M to 1B parameters");
  const Option model =
      command.add_option("model", arguments->run.model, "Model file, or Hugging Face folder").type_name("MODEL");
  const Option preset = command.add_option("--preset", arguments->preset, "A known configuration with random weights");
  model.excludes(preset);
  command
      .add_option(
          "--type", arguments->types,
          fmt::format(
              "Weight types, separated by commas (default: as the file has them; random models q8_0, the family "
              "f16,q8_0,q4_0, a sweep over types all): {}",
              kTypeHelp))
      .comma_separated()
      .check(type_problem);
  add_prompt(command, measure.prompt, "Tokens of the prompt; 0: none").show_default();
  add_new_tokens(command, measure.tokens, "Tokens decoded one by one; 0: none");
  add_depth(command, measure.depth);
  add_repetitions(command, measure.repetitions, "Timed runs; the median counts");
  command
      .add_option("--max-seconds", arguments->max_seconds,
                  "No further repetition starts after this long (default 10; 3 for each point of a sweep)")
      .positive();
  add_sweep_options(command, arguments->sweep);
  command.add_flag("--progress", arguments->progress, "Show progress on stderr even if it is not a terminal");
  add_run_options(command, arguments->run);
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
