/// `plumb calibrate MODEL --text FILE --out FILE`: which weights matter, from the activations of a text.

#include <fmt/format.h>

#include "commands.hpp"
#include "evaluation_options.hpp"
#include "plumb/model/calibrate.hpp"
#include "say.hpp"

namespace plumb::cli {
namespace {

struct CalibrateArguments {
  EvaluationOptions evaluation;
  std::string out;
};

void run(CalibrateArguments& arguments) {
  EvaluationOptions& options = arguments.evaluation;
  const std::string text = read_text(options.text);  // a mistake is told before a model is loaded
  Progress progress;
  const Model model = Model::load(options.run.model, options.run.load());
  const std::vector<Token> tokens = tokens_of(model, text);
  ImportanceMatrix importance = calibrate(model, tokens,
                                          {.context = options.windows.context,
                                           .bos = options.windows.bos,
                                           .session = options.run.session,
                                           .progress = [&](double done) { progress.show(done, "calibrating"); }});
  importance.datasets().push_back(options.text);
  importance.write(arguments.out);
  say("{} tokens, importance of {} tensors\n", tokens.size(), importance.entries().size());
}

}  // namespace

void add_calibrate(const Command& program) {
  auto arguments = std::make_shared<CalibrateArguments>();
  EvaluationOptions& options = arguments->evaluation;
  const Command command = program.add_command(
      "calibrate", "Collect which weights matter on a text, as a GGUF imatrix file for quantize --imatrix");
  add_model(command, options.run.model);
  add_text(command, options.text).required();
  add_out(command, arguments->out, "Importance file to write").required();
  add_window_options(command, options.windows);
  add_vocabulary(command, options.run.vocabulary);
  add_run_options(command, options.run);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
