/// `plumb tokenize MODEL`: a text as tokens, or tokens as text.

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/text/token_list.hpp"
#include "plumb/text/tokenizer.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

struct TokenizeOptions {
  std::string model;
  std::optional<std::string> text, file, tokens, vocabulary;
  EncodeOptions encode{.add_special = false, .parse_special = false};
  bool ids = false;
  int threads = 1;
};

/// One line per token: its id and the bytes it stands for, escaped.
std::string listing(const Tokenizer& tokenizer, const std::vector<Token>& tokens) {
  std::string out;
  for (const Token token : tokens) {
    constexpr std::size_t kWholePiece = std::size_t{1} << 20;
    fmt::format_to(std::back_inserter(out), "{:>7}  {}\n", token, quote(tokenizer.decode(token), kWholePiece));
  }
  return out;
}

std::string tokenize(const TokenizeOptions& options) {
  OpenModelOptions open;
  if (options.vocabulary) open.tokenizer = *options.vocabulary;
  const Tokenizer tokenizer = Tokenizer::from_file(open_model_file(options.model, open));
  if (options.tokens) return tokenizer.decode(parse_token_list(*options.tokens, "--decode")) + "\n";
  const std::string text = options.text ? *options.text : read_text(*options.file);
  const std::vector<Token> tokens = tokenizer.encode(text, options.encode);
  return options.ids ? fmt::format("{}\n", fmt::join(tokens, " ")) : listing(tokenizer, tokens);
}

}  // namespace

void add_tokenize(const Command& program) {
  auto options = std::make_shared<TokenizeOptions>();
  const Command command = program.add_command("tokenize", "Show a text as the model's tokens, or tokens as text");
  command.add_option("model", options->model, "Model file").required().type_name("MODEL");
  // In an option group a TEXT after `--` would not be found (CLI11 2.1).
  Option text = command.add_option("text", options->text, "The text; put -- before one that begins with -");
  Option file = command.add_option("--file", options->file, "Take the text from a file; - is standard input");
  Option decode = command.add_option("--decode", options->tokens,
                                     "Token ids, separated by spaces or commas: print their text and a newline");
  text.type_name("TEXT").excludes(file).excludes(decode);
  file.type_name("FILE").excludes(decode);
  decode.type_name("IDS");
  command.add_flag("--ids", options->ids, "Print only the ids, separated by spaces").excludes(decode);
  command
      .add_flag("--add-special", options->encode.add_special,
                "Add the tokens that begin and end a sequence, as the file says")
      .excludes(decode);
  command
      .add_flag("--parse-special", options->encode.parse_special,
                "Read the spelling of a control token, such as <|im_end|>, as that token")
      .excludes(decode);
  command
      .add_option("--tokenizer", options->vocabulary,
                  "Vocabulary of a llama2.c checkpoint (default: tokenizer.bin beside it)")
      .type_name("FILE");
  add_threads(command, options->threads);
  command.callback([options] {
    if (!options->text && !options->file && !options->tokens) throw UsageError("TEXT, --file or --decode is required");
    fmt::print("{}", tokenize(*options));
  });
}

}  // namespace plumb::cli
