/// `plumb compare-logits BASE OTHER --text FILE`: how far the predictions of two models are apart.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "comparison_json.hpp"
#include "evaluation_options.hpp"
#include "json_output.hpp"
#include "plumb/model/evaluate.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

struct CompareArguments {
  EvaluationOptions evaluation;
  std::string other;
  Format format = Format::text;
};

Table comparison_table(const LogitComparison& c) {
  Table table({{"measure", Table::Align::left}, {"value", Table::Align::right}, {"error", Table::Align::right}});
  const auto row = [&](const char* name, const Estimate& e) {
    table.add({name, number_cell(e.value, "{:.6g}"), number_cell(e.error, "{:.2g}")});
  };
  const auto plain = [&](const char* name, double value) {
    table.add({name, number_cell(value, "{:.6g}"), no_cell()});
  };
  plain("scored tokens", static_cast<double>(c.base.scored));
  row("perplexity of base", c.base.perplexity());
  row("perplexity of other", c.other.perplexity());
  row("ln(other / base)", c.nll_difference);
  row("KL divergence, mean", c.kl);
  plain("KL divergence, median", c.kl_median);
  plain("KL divergence, 99%", c.kl_99);
  plain("KL divergence, max", c.kl_max);
  row("top-1 agreement", c.top1);
  row("top-5 agreement", c.top5);
  row("logits NMSE", c.logits_nmse);
  return table;
}

void run(CompareArguments& arguments) {
  EvaluationOptions& options = arguments.evaluation;
  const std::string text = evaluation_text(options);
  Progress progress;
  LoadOptions load = options.run.load();
  const Model other = Model::load(arguments.other, load);
  load.weights.clear();
  const Model base = Model::load(options.run.model, load);
  const LogitComparison result =
      compare_logits(base, other, tokens_of(base, text), options.windows, options.run.session,
                     [&](double done) { progress.show(done, "reading"); });
  if (arguments.format == Format::json) {
    Json json = {{"base", printable(options.run.model)}, {"other", printable(arguments.other)}};
    json.update(comparison_json(result));
    return put("{}", json_document("compare-logits", evaluation_settings(options), json));
  }
  put("{}", comparison_table(result).as(arguments.format));
}

}  // namespace

void add_compare_logits(const Command& program) {
  auto arguments = std::make_shared<CompareArguments>();
  const Command command = program.add_command(
      "compare-logits", "How far the predictions of two models are apart on a text: KL divergence, agreement, error");
  command.add_option("base", arguments->evaluation.run.model, "Model file taken as the reference")
      .required()
      .type_name("BASE");
  command.add_option("other", arguments->other, "Model file to judge, in the type of --type; may be the same file")
      .required()
      .type_name("OTHER");
  add_evaluation_options(command, arguments->evaluation);
  add_type(command, arguments->evaluation.run);
  add_vocabulary(command, arguments->evaluation.run.vocabulary);
  add_run_options(command, arguments->evaluation.run);
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
