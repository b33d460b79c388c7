/// `plumb perplexity MODEL --text FILE`.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "evaluation_options.hpp"
#include "plumb/model/evaluate.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

struct PerplexityArguments {
  EvaluationOptions evaluation;
  Format format = Format::text;
};

void print(const std::string& model, const Perplexity& p, std::size_t bytes, Format format) {
  const Estimate value = p.perplexity(), bits = p.bits_per_byte(bytes);
  if (format == Format::json) {
    const nlohmann::ordered_json json = {
        {"model", model},           {"text_tokens", p.text_tokens}, {"scored_tokens", p.scored},
        {"context", p.context},     {"stride", p.stride},           {"nll", p.nll.value},
        {"nll_error", p.nll.error}, {"perplexity", value.value},    {"perplexity_error", value.error},
        {"text_bytes", bytes},      {"bits_per_byte", bits.value},  {"bits_per_byte_error", bits.error}};
    fmt::print("{}\n", json.dump(2));
    return;
  }
  using A = Table::Align;
  Table table({{"model", A::left},
               {"text tokens", A::right},
               {"scored", A::right},
               {"context", A::right},
               {"stride", A::right},
               {"mean NLL", A::right},
               {"error", A::right},
               {"perplexity", A::right},
               {"error ", A::right},
               {"bits/byte", A::right}});
  table.add({model, std::to_string(p.text_tokens), std::to_string(p.scored), std::to_string(p.context),
             p.stride > 0 ? std::to_string(p.stride) : "-", fmt::format("{:.5f}", p.nll.value),
             fmt::format("{:.5f}", p.nll.error), fmt::format("{:.4f}", value.value), fmt::format("{:.4f}", value.error),
             fmt::format("{:.4f}", bits.value)});
  fmt::print("{}", format == Format::csv ? table.csv() : format == Format::md ? table.markdown() : table.text());
}

void run(PerplexityArguments& arguments) {
  EvaluationOptions& options = arguments.evaluation;
  const std::string text = read_text(options.text);  // a mistake is told before a model is loaded
  Progress progress;
  const Model model = Model::load(options.run.model, options.run.load());
  const Perplexity result = measure_perplexity(model, tokens_of(model, text), options.windows, options.run.session,
                                               [&](double done) { progress.show(done, "reading"); });
  print(printable(options.run.model), result, text.size(), arguments.format);
}

}  // namespace

void add_perplexity(const Command& program) {
  auto arguments = std::make_shared<PerplexityArguments>();
  const Command command =
      program.add_command("perplexity", "How well a model predicts a text, with the standard error");
  command.add_option("model", arguments->evaluation.run.model, "Model file, or Hugging Face folder")
      .required()
      .type_name("MODEL");
  add_evaluation_options(command, arguments->evaluation);
  add_type(command, arguments->evaluation.run);
  add_vocabulary(command, arguments->evaluation.run.vocabulary);
  add_run_options(command, arguments->evaluation.run);
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
