/// `plumb perplexity MODEL --text FILE`.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "evaluation_options.hpp"
#include "json_output.hpp"
#include "plumb/model/evaluate.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

struct PerplexityArguments {
  EvaluationOptions evaluation;
  Format format = Format::text;
};

void print(const EvaluationOptions& options, const Perplexity& p, std::size_t bytes, Format format) {
  const std::string model = printable(options.run.model);
  const Estimate value = p.perplexity(), bits = p.bits_per_byte(bytes);
  if (format == Format::json) {
    const Json json = {{"model", model},           {"text_tokens", p.text_tokens}, {"scored_tokens", p.scored},
                       {"context", p.context},     {"stride", p.stride},           {"nll", p.nll.value},
                       {"nll_error", p.nll.error}, {"perplexity", value.value},    {"perplexity_error", value.error},
                       {"text_bytes", bytes},      {"bits_per_byte", bits.value},  {"bits_per_byte_error", bits.error}};
    return put("{}", json_document("perplexity", evaluation_settings(options), json));
  }
  using A = Table::Align;
  Table table({{"model", A::left},
               {"text tokens", A::right},
               {"scored", A::right},
               {"context", A::right},
               {"stride", A::right},
               {"mean NLL", A::right},
               {"error", A::right, "mean NLL error"},
               {"perplexity", A::right},
               {"error ", A::right, "perplexity error"},
               {"bits/byte", A::right}});
  table.add({model, std::to_string(p.text_tokens), std::to_string(p.scored), std::to_string(p.context),
             p.stride > 0 ? Cell(std::to_string(p.stride)) : no_cell(), number_cell(p.nll.value, "{:.5f}"),
             number_cell(p.nll.error, "{:.5f}"), number_cell(value.value, "{:.4f}"), number_cell(value.error, "{:.4f}"),
             number_cell(bits.value, "{:.4f}")});
  put("{}", table.as(format));
}

void run(PerplexityArguments& arguments) {
  EvaluationOptions& options = arguments.evaluation;
  const std::string text = evaluation_text(options);
  Progress progress;
  const Model model = Model::load(options.run.model, options.run.load());
  const Perplexity result = measure_perplexity(model, tokens_of(model, text), options.windows, options.run.session,
                                               [&](double done) { progress.show(done, "reading"); });
  print(options, result, text.size(), arguments.format);
}

}  // namespace

void add_perplexity(const Command& program) {
  auto arguments = std::make_shared<PerplexityArguments>();
  const Command command =
      program.add_command("perplexity", "How well a model predicts a text, with the standard error");
  add_model(command, arguments->evaluation.run.model);
  add_evaluation_options(command, arguments->evaluation);
  add_type(command, arguments->evaluation.run);
  add_vocabulary(command, arguments->evaluation.run.vocabulary);
  add_run_options(command, arguments->evaluation.run);
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
