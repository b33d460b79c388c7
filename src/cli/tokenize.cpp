/// `plumb tokenize MODEL`: a text as tokens, or tokens as text; one, or one for each line of a JSON file.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
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
#include "plumb/text/tokenizer_folder.hpp"
#include "say.hpp"
#include "text_file.hpp"
#include "tokenize_lines.hpp"

namespace plumb::cli {
namespace {

struct TokenizeOptions {
  std::string model;
  std::optional<std::string> text, file, lines, tokens, vocabulary;
  EncodeOptions encode{.add_special = false, .parse_special = false};
  bool ids = false, skip_special = false;
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

Tokenizer load(const TokenizeOptions& options) {
  const std::filesystem::path path = options.model;
  if (std::filesystem::is_directory(path)) return tokenizer_from_folder(path);
  if (path.extension() == ".json") return tokenizer_from_json_file(path);
  if (path.extension() == ".model") return tokenizer_from_sentencepiece_file(path);
  OpenModelOptions open;
  if (options.vocabulary) open.tokenizer = *options.vocabulary;
  Tokenizer tokenizer = Tokenizer::from_file(open_model_file(path, open));
  for (const std::string& note : tokenizer.vocabulary().notes) print_warning(note);
  return tokenizer;
}

void tokenize(const TokenizeOptions& options) {
  const Tokenizer tokenizer = load(options);
  const DecodeOptions decode{.render_special = !options.skip_special};
  if (options.lines)
    return tokenize_lines(tokenizer, *options.lines, {options.encode, decode, options.tokens.has_value()});
  if (options.tokens) {
    put("{}\n", tokenizer.decode(parse_token_list(*options.tokens, "--decode"), decode));
    return;
  }
  const std::string text = options.text ? *options.text : read_text(*options.file);
  const std::vector<Token> tokens = tokenizer.encode(text, options.encode);
  put("{}", options.ids ? fmt::format("{}\n", fmt::join(tokens, " ")) : listing(tokenizer, tokens));
}

}  // namespace

void add_tokenize(const Command& program) {
  auto options = std::make_shared<TokenizeOptions>();
  const Command command = program.add_command("tokenize", "Show a text as the model's tokens, or tokens as text");
  command
      .add_option("model", options->model,
                  "Model file, Hugging Face folder, tokenizer.json, or tokenizer.model of SentencePiece")
      .required()
      .type_name("MODEL");
  // In an option group a TEXT after `--` would not be found (CLI11 2.1).
  Option text = command.add_option("text", options->text, "The text; put -- before one that begins with -");
  Option file = command.add_option("--file", options->file, "Take the text from a file; - is standard input");
  Option lines = command.add_option("--jsonl", options->lines,
                                    "Take texts from a file of JSON objects, one a line with a \"text\", and print "
                                    "{\"ids\":[...]} or {\"error\":...} for each; - is standard input");
  Option decode = command.add_option("--decode", options->tokens,
                                     "Token ids, separated by spaces or commas: print their text and a newline. With "
                                     "--jsonl and no ids here: lines have \"ids\" and become {\"text\":...}");
  text.type_name("TEXT").excludes(file).excludes(lines).excludes(decode);
  file.type_name("FILE").excludes(lines).excludes(decode);
  lines.type_name("FILE");
  decode.type_name("IDS").optional_value();
  command.add_flag("--ids", options->ids, "Print only the ids, separated by spaces").excludes(decode).excludes(lines);
  command
      .add_flag("--add-special", options->encode.add_special,
                "Add the tokens that begin and end a sequence, as the file says")
      .excludes(decode);
  command
      .add_flag("--parse-special", options->encode.parse_special,
                "Read the spelling of a control token, such as <|im_end|>, as that token; without it, it is text")
      .excludes(decode);
  command.add_flag("--skip-special", options->skip_special, "Leave control tokens out of decoded text").needs(decode);
  add_vocabulary(command, options->vocabulary);
  add_threads(command, options->threads);
  command.callback([options] {
    const bool bare = options->tokens == "true";
    if (bare && !options->lines) throw UsageError("--decode: token ids are required");
    if (options->tokens && !bare && !options->lines)
      as_usage([&] { return parse_token_list(*options->tokens, "--decode"); });
    if (!bare && options->tokens && options->lines) throw UsageError("--jsonl: the lines have the ids for --decode");
    if (!options->text && !options->file && !options->tokens && !options->lines)
      throw UsageError("TEXT, --file, --jsonl or --decode is required");
    tokenize(*options);
  });
}

}  // namespace plumb::cli
