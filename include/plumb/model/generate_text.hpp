#pragma once
/// @file
/// From a text to its continuation, streamed, with what it cost: what `plumb generate` does.

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "plumb/model/session.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to continue a text.
struct TextOptions {
  GenerateOptions generate = {};
  SessionOptions session = {};  ///< context 0: as much as prompt and max_tokens need, at most the model's own
  bool parse_special = false;   ///< spellings of special tokens in the prompt are those tokens
  bool render_special = false;  ///< special tokens go to the sink as they are spelled, instead of as nothing
  bool echo = true;             ///< the prompt goes to the sink too
  std::function<void(double fraction)> progress = {};  ///< of reading the prompt
};

/// What it cost.
struct TextReport {
  int prompt_tokens = 0, new_tokens = 0;
  double prefill_seconds = 0;  ///< reading the prompt
  double decode_seconds = 0;   ///< from then on: new_tokens - 1 passes, and drawing
  StopReason stop = StopReason::none;
  std::vector<Token> tokens = {};  ///< the new ones; where a stop text ended the text, also those it is part of
  int forgotten = 0;               ///< tokens that made room in a full context
  int context = 0, threads = 0;
  DType kv = DType::f32;
  std::size_t weight_bytes = 0, kv_bytes = 0;  ///< kv_bytes: of the whole context

  double prefill_speed() const { return prefill_seconds > 0 ? prompt_tokens / prefill_seconds : 0; }
  /// Tokens per second after the first.
  double decode_speed() const { return decode_seconds > 0 && new_tokens > 1 ? (new_tokens - 1) / decode_seconds : 0; }
};

/// Continues `prompt`. `sink` gets the text piece by piece, always whole code points, up to a stop text if there is
/// one. An empty prompt is allowed where the vocabulary begins texts with a token of its own. GenerateOptions::cancel
/// also ends the reading of the prompt.
/// @throws Error{missing_key} for a model without tokenizer, Error{invalid_argument} for a prompt without tokens,
/// Error{context_overflow} for one longer than the context, and whatever Session and Sampler throw.
TextReport generate_text(const Model& model, std::string_view prompt, const TextOptions& options,
                         const std::function<void(std::string_view)>& sink);

}  // namespace plumb
