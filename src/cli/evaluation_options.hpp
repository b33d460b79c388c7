#pragma once
/// Options of the commands that run a text through a model: which text, how it is cut, how the model runs.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"
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
  command.add_option("-c,--ctx", windows.context, "Tokens of a window (default: the model's context, at most 512)")
      .range(4, 1 << 30);
  command.add_flag("!--no-bos", windows.bos,
                   "Leave the first token of each window instead of replacing it by the one that begins texts");
}

/// --text, --ctx, --stride, --no-bos.
inline void add_evaluation_options(const Command& command, EvaluationOptions& options) {
  command.add_option("--text", options.text, "Text to read; - is standard input").required().type_name("FILE");
  add_window_options(command, options.windows);
  command
      .add_option("--stride", options.windows.stride,
                  "A window every so many tokens, each token scored once (default: windows side by side, the last half "
                  "of each scored, as llama-perplexity does)")
      .range(1, 1 << 30);
}

/// A text as `model` reads it.
inline std::vector<Token> tokens_of(const Model& model, std::string_view text) {
  return model.tokenizer().encode(text, {.add_special = true, .parse_special = false});
}

}  // namespace plumb::cli
