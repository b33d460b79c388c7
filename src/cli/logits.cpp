#include <fmt/format.h>

#include <memory>
#include <optional>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/model/write_logits.hpp"
#include "plumb/text/token_list.hpp"
#include "say.hpp"

namespace plumb::cli {
namespace {

struct LogitsArguments {
  RunOptions run;
  std::optional<std::string> tokens, tokens_file, text;
  std::string out;
};

void run(LogitsArguments& arguments) {
  LoadOptions load = arguments.run.load();
  load.tokenizer = arguments.text.has_value();  // ids need none, and there are tokenizers that are not supported
  std::vector<Token> tokens;
  if (arguments.tokens) tokens = parse_token_list(*arguments.tokens, "--tokens");
  if (arguments.tokens_file) tokens = read_token_list(*arguments.tokens_file);
  const Model model = Model::load(arguments.run.model, load);
  if (arguments.text) tokens = model.tokenizer().encode(*arguments.text);
  write_logits(model, tokens, arguments.run.session, arguments.out);
  say("{} rows of {} logits\n", tokens.size(), model.spec().vocab_size);
}

}  // namespace

void add_logits(const Command& program) {
  auto arguments = std::make_shared<LogitsArguments>();
  const Command command = program.add_command(
      "logits", "Write the logits after each token of a text: little-endian f32, one row of the vocabulary per token");
  add_model(command, arguments->run.model);
  const Option tokens = command.add_option("--tokens", arguments->tokens, "Token ids, separated by spaces or commas");
  const Option file = command.add_option("--tokens-file", arguments->tokens_file, "A file of token ids");
  const Option text =
      command.add_option("--text", arguments->text, "A text, encoded as the model's file says (bos included)");
  tokens.check(token_list_problem);
  tokens.excludes(file).excludes(text).type_name("IDS").group("One of");
  file.excludes(text).type_name("FILE").group("One of");
  text.group("One of");
  add_out(command, arguments->out).required();
  add_context(command, arguments->run.session.context, "Positions in the cache (default: as many as tokens)");
  add_type(command, arguments->run);
  add_vocabulary(command, arguments->run.vocabulary);
  arguments->run.session.kv = kComparedKv;
  add_run_options(command, arguments->run);
  command.callback([arguments] {
    if (!arguments->tokens && !arguments->tokens_file && !arguments->text)
      throw UsageError("--tokens, --tokens-file or --text is required");
    run(*arguments);
  });
}

}  // namespace plumb::cli
