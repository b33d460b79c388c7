#pragma once
/// Tokens of a conversation that begin with those that were read before.

#include <cstddef>
#include <span>
#include <vector>

#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

struct SplicedTokens {
  std::vector<Token> tokens;
  std::size_t kept = 0;  ///< of the tokens that were read, these stand at the beginning
};

/// `wanted` spells a conversation as the tokenizer does; `read` are the tokens of an earlier turn and of the reply,
/// which a model may spell otherwise ("He" "llo"). The answer spells what `wanted` does, and begins with as many of
/// `read` as spell the same text: none of these needs to be read again.
SplicedTokens splice_tokens(const Tokenizer& tokenizer, std::span<const Token> read, std::span<const Token> wanted);

}  // namespace plumb
