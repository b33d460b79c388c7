/// `plumb quantize IN OUT`: a model file into a smaller one.

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
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

/// One line that is written over itself on a terminal, and a line for each tensor elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void show(const QuantizeProgress& p) {
    if (quiet_) return;
    const bool new_tensor = p.index != index_;
    const auto now = Clock::now();
    if (terminal_ && (new_tensor || now - last_ > std::chrono::milliseconds(100))) {
      last_ = now;
      std::fputs(fmt::format("\r\x1b[K[{}/{}] {:3.0f}%  {}  {} -> {}", p.index + 1, p.count,
                             100.0 * static_cast<double>(p.bytes_done) / static_cast<double>(p.bytes_total),
                             printable(p.tensor.name, 60), dtype_name(p.tensor.from), dtype_name(p.tensor.to))
                     .c_str(),
                 stderr);
    } else if (!terminal_ && new_tensor) {
      std::fputs(fmt::format("[{}/{}] {} {} {} -> {}\n", p.index + 1, p.count, printable(p.tensor.name),
                             p.tensor.shape.to_string(), dtype_name(p.tensor.from), dtype_name(p.tensor.to))
                     .c_str(),
                 stderr);
    }
    index_ = p.index;
  }
  void clear() const {
    if (!quiet_ && terminal_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  bool quiet_, terminal_;
  std::size_t index_ = static_cast<std::size_t>(-1);
  Clock::time_point last_{};
};

/// What GPTQ needs to know: the second moments of the input model's own activations on a text.
SecondMoments moments_of(const QuantizeArguments& arguments) {
  if (arguments.report.calibration.empty())
    throw UsageError("--method gptq needs --calib, a text to run through the model");
  const Model model =
      Model::load(arguments.in, {.exact = true, .vocabulary = arguments.vocabulary, .warning = print_warning});
  const std::vector<Token> text = model.tokenizer().encode(read_text(arguments.report.calibration));
  Progress progress;
  CalibrationOptions options;
  options.context = arguments.context;
  options.session.threads = arguments.threads;
  if (!arguments.quiet) options.progress = [&](double part) { progress.show(part, "calibrating"); };
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
  ProgressLine line(arguments.quiet);
  options.progress = [&](const QuantizeProgress& p) { line.show(p); };
  options.log = [&](const std::string& message) {
    line.clear();
    std::fputs(fmt::format("plumb: {}\n", message).c_str(), stderr);
  };
  const auto start = Clock::now();
  const Interrupt interrupt;
  options.cancel = interrupt.token();
  const QuantizeResult result = [&] {
    try {
      return quantize_model(file, arguments.out, options);
    } catch (const Error& error) {
      line.clear();
      if (error.code() == ErrorCode::cancelled)
        throw Interrupted("interrupted; " + printable(arguments.out) + " is as it was");
      throw;
    }
  }();
  line.clear();
  if (result.nonfinite > 0)
    std::fputs(fmt::format("plumb: {} weights were not finite and are 0 now\n", result.nonfinite).c_str(), stderr);
  if (report)
    write_report_card(arguments.report.out, *report, arguments.in, arguments.out, arguments.type,
                      arguments.method + (arguments.imatrix.empty() ? "" : "+imatrix"));
  if (arguments.quiet) return;
  std::fputs(fmt::format("{:.1f} MB -> {:.1f} MB, {:.3f} bits per weight, {:.1f} s\n",
                         static_cast<double>(result.bytes_before) / 1e6, static_cast<double>(result.bytes_after) / 1e6,
                         result.bits_per_weight(), std::chrono::duration<double>(Clock::now() - start).count())
                 .c_str(),
             stderr);
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
  command
      .add_option("--ctx", arguments->context,
                  "GPTQ: tokens of that text read together (default: the model's context, at most 512)")
      .range(4, 1 << 30);
  command.add_option("--threads", arguments->threads, "Threads (default: OMP_NUM_THREADS or all processors)")
      .range(0, 4096);
  command.add_flag("--allow-nonfinite", arguments->allow_nonfinite, "Write NaN and infinite weights as 0");
  command.add_flag("--quiet", arguments->quiet, "No progress, no summary");
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
