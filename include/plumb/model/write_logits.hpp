#pragma once
/// @file
/// Logits of a token sequence as a file, which is how other engines are compared with this one.

#include <filesystem>
#include <functional>
#include <span>

#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {

/// Calls visit(i, logits) for every token of one sequence that starts at position 0, in order; logits are
/// [vocab_size], of the token after tokens[i]. Context 0 in the options means as many positions as there are tokens.
/// @throws Error{invalid_argument} for no tokens, Error{out_of_range} for one outside the vocabulary,
/// Error{context_overflow} when they do not fit the context, given or the model's own.
void for_each_logits(const Model& model, std::span<const Token> tokens, SessionOptions options,
                     const std::function<void(std::size_t, std::span<const float>)>& visit);

/// Writes one row of vocab_size little-endian f32 per token (see AtomicFile: complete or not at all).
/// @throws Error as for_each_logits, Error{io}.
void write_logits(const Model& model, std::span<const Token> tokens, const SessionOptions& options,
                  const std::filesystem::path& path);

}  // namespace plumb
