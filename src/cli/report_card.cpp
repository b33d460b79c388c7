/// `plumb report-card MODEL --types q8_0,q4_0 --text FILE`: quantized models judged side by side.

#include <fmt/format.h>

#include "commands.hpp"
#include "evaluation_options.hpp"
#include "html_option.hpp"
#include "plumb/core/printable.hpp"
#include "report_card_output.hpp"
#include "say.hpp"

namespace plumb::cli {
namespace {

struct ReportCardArguments {
  EvaluationOptions evaluation;
  std::string calibration;
  std::vector<std::string> types = {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "q3_k_m", "q2_k"};
  std::vector<std::string> methods = {"search"};
  ReportOptions report;
  Format format = Format::text;
  std::string html;
};

void run(ReportCardArguments& arguments) {
  ReportOptions& report = arguments.report;
  report.text = evaluation_text(arguments.evaluation);
  if (!arguments.calibration.empty()) report.calibration = read_text(arguments.calibration);
  report.windows = arguments.evaluation.windows;
  report.session.threads = arguments.evaluation.run.session.threads;
  report.session.kv = arguments.evaluation.run.session.kv;
  Progress progress;
  report.progress = progress.callback();
  const std::vector<ReportCard> cards =
      report_cards(arguments.evaluation.run.model, arguments.types, arguments.methods, report);
  const std::string model = printable(arguments.evaluation.run.model);
  put("{}", report_text(model, cards, arguments.format));
  if (!arguments.html.empty()) write_page(arguments.html, report_html(cards, model));
}

}  // namespace

void add_report_card(const Command& program) {
  auto arguments = std::make_shared<ReportCardArguments>();
  const Command command = program.add_command(
      "report-card", "Quantize a model in several ways and show size, speed and every kind of error in one table");
  EvaluationOptions& options = arguments->evaluation;
  add_model(command, options.run.model, "Model file, best in F32, F16 or BF16");
  command.add_option("--type,--types", arguments->types, "Recipes, separated by commas")
      .comma_separated()
      .check(file_type_problem)
      .show_default();
  const std::span<const std::string_view> methods = report_methods();
  command
      .add_option("--method,--methods", arguments->methods,
                  fmt::format("How scales are chosen, separated by commas: {}", fmt::join(methods, ", ")))
      .comma_separated()
      .one_of({methods.begin(), methods.end()}, {.in_help = false})
      .show_default();
  add_calibration(command, arguments->calibration, "Text to calibrate with (default: the text of --text)");
  add_evaluation_options(command, options);
  add_threads(command, options.run.session.threads);
  add_kv(command, options.run.session.kv);
  add_format(command, arguments->format);
  add_html(command, arguments->html);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
