#pragma once
/// @file
/// What a Tokenizer is made of.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "piece_index.hpp"
#include "pipeline.hpp"
#include "plumb/text/tokenizer.hpp"
#include "token_decoder.hpp"
#include "tokenizer_json.hpp"

namespace plumb::inline PLUMB_ABI {

/// Tables that point into one another: built in place, never moved.
struct Tokenizer::Tables {
  explicit Tables(Vocabulary v);
  Tables(TokenizerJson json, const SpecialTokens& special);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  TokenType type(Token token) const {
    return vocabulary.types.empty() ? TokenType::normal : vocabulary.types[static_cast<std::size_t>(token)];
  }
  /// By the steps of a tokenizer.json. Ids outside of the vocabulary are nothing.
  std::string decode_by_steps(std::span<const Token> tokens, const DecodeOptions& options) const;
  bool is_hidden(Token token, const DecodeOptions& options) const;
  void prepare_decoder(const TokenizerJson& json);
  void name_special_tokens(const SpecialTokens& special);

  Vocabulary vocabulary;  // its merges are given up once the model has them
  PieceIndex index;
  std::vector<bool> foreign;  // [size] or empty: tokens that the model does not know, or must not find in a text
  Pipeline pipeline;
  std::optional<TokenDecoder> decoder;     // of a tokenizer.json
  bool drops_first_space = false;          // of a text that is decoded
  std::string decoded;                     // the bytes of all tokens, one after the other
  std::vector<std::size_t> decoded_begin;  // [size + 1]
  std::vector<Token> ends;                 // ascending
};

}  // namespace plumb
