/// `plumb quantize IN OUT`: a model file into a smaller one.

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "commands.hpp"
#include "interrupt.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/collect_moments.hpp"
#include "plumb/quantize/importance.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "progress.hpp"
#include "report_card_output.hpp"
#include "say.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct QuantizeArguments {
  std::string in, out, type = "q4_k_m", method = "search", imatrix;
  std::optional<std::string> vocabulary;
  ReportFiles report;
  int threads = 0, context = 0;
  bool allow_nonfinite = false, quiet = false;
};

/// Which tensor is being written.
void show(Progress& progress, const QuantizeProgress& p) {
  progress.show(static_cast<double>(p.bytes_done) / static_cast<double>(p.bytes_total),
                fmt::format("[{}/{}] {} {} -> {}", p.index + 1, p.count, printable(p.tensor.name, 60),
                            dtype_name(p.tensor.from), dtype_name(p.tensor.to)));
}

/// What GPTQ needs to know: the second moments of the input model's own activations on a text.
SecondMoments moments_of(const QuantizeArguments& arguments) {
  if (arguments.report.calibration.empty())
    throw UsageError("--method gptq needs --calib, a text to run through the model");
  const Model model =
      Model::load(arguments.in, {.exact = true, .vocabulary = arguments.vocabulary, .warning = print_warning});
  const std::vector<Token> text = model.tokenizer().encode(read_text(arguments.report.calibration));
  Progress progress(arguments.quiet ? ShowProgress::never : ShowProgress::on_terminal);
  CalibrationOptions options;
  options.context = arguments.context;
  options.session.threads = arguments.threads;
  options.progress = [&](double part) { progress.show(part, "calibrating"); };
  return collect_second_moments(model, text, options);
}

void run(const QuantizeArguments& arguments) {
  QuantizeOptions options;
  options.recipe = Recipe::parse(arguments.type);
  options.method = arguments.method == "nearest" ? QuantMethod::nearest : QuantMethod::search;
  options.threads = arguments.threads;
  options.allow_nonfinite = arguments.allow_nonfinite;
  std::optional<ImportanceMatrix> importance;
  if (!arguments.imatrix.empty()) options.importance = &importance.emplace(ImportanceMatrix::read(arguments.imatrix));
  const std::optional<ReportOptions> report = report_options(arguments.report, arguments.threads);
  SecondMoments moments;
  if (arguments.method == "gptq") {
    moments = moments_of(arguments);
    options.moments = &moments;
  }
  OpenModelOptions open;
  open.tokenizer = arguments.vocabulary;
  const ModelFile file = open_model_file(arguments.in, open);
  Progress progress(arguments.quiet ? ShowProgress::never : ShowProgress::on_terminal);
  options.progress = [&](const QuantizeProgress& p) { show(progress, p); };
  options.log = print_warning;
  const auto start = Clock::now();
  const Interrupt interrupt;
  options.cancel = interrupt.token();
  const QuantizeResult result = [&] {
    try {
      return quantize_model(file, arguments.out, options);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::cancelled)
        throw Interrupted("interrupted; " + printable(arguments.out) + " is as it was");
      throw;
    }
  }();
  if (result.nonfinite > 0) say("plumb: {} weights were not finite and are 0 now\n", result.nonfinite);
  if (report)
    write_report_card(arguments.report.out, *report, arguments.in, arguments.out, arguments.type,
                      arguments.method + (arguments.imatrix.empty() ? "" : "+imatrix"));
  if (arguments.quiet) return;
  say("{:.1f} MB -> {:.1f} MB, {:.3f} bits per weight, {:.1f} s\n", static_cast<double>(result.bytes_before) / 1e6,
      static_cast<double>(result.bytes_after) / 1e6, result.bits_per_weight(),
      std::chrono::duration<double>(Clock::now() - start).count());
}

}  // namespace

void add_quantize(const Command& program) {
  auto arguments = std::make_shared<QuantizeArguments>();
  const Command command = program.add_command("quantize", "Turn a model file into a smaller GGUF file");
  command.add_option("in", arguments->in, "Model file, or Hugging Face folder, to read").required();
  command.add_option("out", arguments->out, "GGUF file to write: complete or not at all").required();
  std::string names;
  for (const std::string_view name : Recipe::file_names()) names += (names.empty() ? "" : " ") + std::string(name);
  command
      .add_option("--type", arguments->type,
                  "Recipe (" + names +
                      "; q3_k, q4_k and q5_k are their medium mixes) or rules by tensor, in which a type is exactly "
                      "that type and the first match wins: \"ffn_down=q6_k,output=q8_0,*=q4_k\"")
      .check(file_type_problem)
      .show_default();
  command
      .add_option("--method", arguments->method,
                  "How weights are rounded: to the nearest code; with searched scales; with errors "
                  "compensated by later weights (needs --calib)")
      .one_of({"nearest", "search", "gptq"})
      .show_default();
  command.add_option("--imatrix", arguments->imatrix, "Importance of weights, from plumb calibrate or llama-imatrix");
  add_vocabulary(command, arguments->vocabulary);
  add_report_options(command, arguments->report);
  add_context(command, arguments->context,
              "GPTQ: tokens of that text read together (default: the model's context, at most 512)", 4);
  add_threads(command, arguments->threads);
  command.add_flag("--allow-nonfinite", arguments->allow_nonfinite, "Write NaN and infinite weights as 0");
  add_quiet(command, arguments->quiet);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
