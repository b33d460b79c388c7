#pragma once
/// Options of the commands that run a text through a model: which text, how it is cut, how the model runs.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/text_windows.hpp"
#include "progress.hpp"
#include "text_file.hpp"

namespace plumb::cli {

struct EvaluationOptions {
  RunOptions run;
  std::string text;
  WindowOptions windows;
};

/// --ctx, --no-bos.
inline void add_window_options(const Command& command, WindowOptions& windows) {
  add_context(command, windows.context, "Tokens of a window (default: the model's context, at most 512)", 4);
  command.add_flag("!--no-bos", windows.bos,
                   "Leave the first token of each window instead of replacing it by the one that begins texts");
}

/// --text of commands that judge a model by a text.
inline Option add_text(const Command& command, std::string& file,
                       const std::string& help = "Text to read; - is standard input") {
  return command.add_option("--text", file, help).type_name("FILE");
}

/// How the text is read, for JSON.
inline Json evaluation_settings(const EvaluationOptions& options) {
  Json settings = run_settings(options.run);
  settings.update({{"text", printable(options.text)}, {"bos", options.windows.bos}});
  return settings;
}

/// --text, --ctx, --stride, --no-bos.
inline void add_evaluation_options(const Command& command, EvaluationOptions& options) {
  add_text(command, options.text).required();
  add_window_options(command, options.windows);
  command.add_count("--stride", options.windows.stride, 1, kMostTokens,
                    "A window every so many tokens, each token scored once (default: windows side by side, the last "
                    "half of each scored, as llama-perplexity does)");
}

/// The text of --text: mistakes are told before a model is loaded. @throws UsageError for a stride beyond the window.
inline std::string evaluation_text(const EvaluationOptions& options) {
  const int window = options.windows.context > 0 ? options.windows.context : kUsualWindow;
  if (options.windows.stride > window)
    throw UsageError("--stride is " + std::to_string(options.windows.stride) + ", expected at most " +
                     std::to_string(window) + ", the tokens of a window (--ctx)");
  return read_text(options.text);
}

/// A text as `model` reads it.
inline std::vector<Token> tokens_of(const Model& model, std::string_view text) {
  return model.tokenizer().encode(text, {.add_special = true, .parse_special = false});
}

}  // namespace plumb::cli
