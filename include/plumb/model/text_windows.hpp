#pragma once
/// @file
/// A text that is longer than a model's context, cut into windows that each start at position 0: what perplexity, the
/// comparison of two models and calibration walk over.

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {

/// The longest window when nothing is said.
inline constexpr int kUsualWindow = 512;

/// How a text is cut, and which of its tokens are scored.
///
/// - `stride` 0, the definition of llama.cpp's llama-perplexity: windows side by side; in each, every token after the
///   middle is scored, so that at least context / 2 tokens stand before it. A text of n windows scores
///   n * (context - 1 - context / 2) tokens.
/// - `stride` > 0: a window begins every `stride` tokens and scores what no window before it has held, so that each
///   token but the first is scored once, after at least context - stride others. With stride = context the first token
///   of every window has nothing before it and is not scored.
///
/// Windows are whole: the rest of the text is left out.
struct WindowOptions {
  int context = 0;  ///< tokens of a window; 0: the model's context, at most kUsualWindow
  int stride = 0;   ///< see above; at most context
  bool bos = true;  ///< the first token of each window gives way to `bos` where the vocabulary begins texts with one
};

/// Tokens [begin, end) of a text, of which those from `scored` on are scored; begin < scored.
struct TextWindow {
  std::size_t begin = 0, end = 0, scored = 0;
};

/// The context that `options` ask for, 4 or more. @throws Error{invalid_argument} for a bad context or stride,
/// Error{context_overflow} for more than the model has.
int window_context(const WindowOptions& options, const ModelSpec& spec);

/// The windows of a text of `tokens` tokens; `context` from window_context().
/// @throws Error{invalid_argument} when the text is shorter than one window.
std::vector<TextWindow> text_windows(std::size_t tokens, int context, int stride);

/// The tokens of one window as a model reads them, `bos` in front as `options` say. `reader` is the model whose
/// vocabulary is asked.
std::vector<Token> window_tokens(std::span<const Token> text, const TextWindow& window, const WindowOptions& options,
                                 const Model& reader);

/// Called for every scored token in order: `logits[m]` is what model m said just before it, [vocab_size].
using ScoredToken = std::function<void(Token token, std::span<const std::span<const float>> logits)>;
/// How much is done, 0 to 1.
using WindowProgress = std::function<void(double fraction)>;

/// Runs every window of a text through one or several models, a few rows at a time in turn: memory does not grow with
/// the text, nor with text times vocabulary. `session.context`, `.sequences` and `.batch` are chosen here.
/// @throws Error{invalid_argument} for no model, models of different vocabularies or a text that is too short,
/// Error{out_of_range} for a token outside the vocabulary, and as window_context().
void for_each_scored_token(std::span<const Model> models, std::span<const Token> text, const WindowOptions& options,
                           SessionOptions session, const ScoredToken& visit, const WindowProgress& progress = {});

}  // namespace plumb
