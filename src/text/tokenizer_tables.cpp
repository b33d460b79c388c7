#include "tokenizer_tables.hpp"

#include <algorithm>
#include <utility>

#include "background.hpp"
#include "byte_alphabet.hpp"
#include "end_tokens.hpp"
#include "spm.hpp"
#include "vocabulary_check.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

void replace_marks(std::string_view spelling, std::string& out) {
  for (std::size_t at = 0; at < spelling.size();) {
    if (spelling.substr(at, kSpaceMark.size()) == kSpaceMark) {
      out += ' ';
      at += kSpaceMark.size();
    } else {
      out += spelling[at++];
    }
  }
}

/// Appends what a token stands for in a text.
void append_decoded(const Vocabulary& vocabulary, TokenType type, std::string_view spelling, std::string& out) {
  if (type == TokenType::byte) {
    out += static_cast<char>(byte_of_spelling(spelling));
  } else if (type == TokenType::control || type == TokenType::unknown) {
    out += spelling;
  } else if (vocabulary.model == TokenizerModel::rwkv) {
    out += unescaped_rwkv(spelling);
  } else if (vocabulary.model != TokenizerModel::bpe) {
    replace_marks(spelling, out);
  } else if (type == TokenType::user_defined) {
    out += spelling;  // added to a byte-level vocabulary as plain text
  } else {
    out += decode_byte_spelling(spelling);
  }
}

/// Tokens that text must not become by chance: control tokens.
std::vector<bool> no_text(const Vocabulary& vocabulary) {
  std::vector<bool> tokens(vocabulary.types.size());
  for (std::size_t id = 0; id < tokens.size(); ++id)
    tokens[id] = vocabulary.types[id] == TokenType::control || vocabulary.types[id] == TokenType::unknown;
  return tokens;
}

}  // namespace

Tokenizer::Tables::Tables(Vocabulary v) : vocabulary(std::move(v)), index(vocabulary.pieces) {
  check_vocabulary(vocabulary, index);
  mark_control_tokens(vocabulary, index);
  if (vocabulary.eot == kNoToken) vocabulary.eot = find_end_of_turn(index);
  ends = find_end_tokens(vocabulary, index);
  foreign = no_text(vocabulary);
  pipeline = pipeline_of_vocabulary(vocabulary, index, foreign);
  drops_first_space = vocabulary.add_space_prefix;
  vocabulary.merges = {};
  decoded_begin.reserve(vocabulary.pieces.size() + 1);
  for (Token token = 0; token < vocabulary.size(); ++token) {
    decoded_begin.push_back(decoded.size());
    append_decoded(vocabulary, type(token), vocabulary.pieces[static_cast<std::size_t>(token)], decoded);
  }
  decoded_begin.push_back(decoded.size());
}

Tokenizer::Tables::Tables(TokenizerJson json, const SpecialTokens& special)
    : vocabulary(json.vocabulary()), index(vocabulary.pieces), foreign(json.take_foreign()) {
  auto decoding = in_background([&] { prepare_decoder(json); });
  pipeline = json.pipeline(vocabulary, index, foreign);
  decoding.get();
  name_special_tokens(special);
}

void Tokenizer::Tables::prepare_decoder(const TokenizerJson& json) {
  decoder = json.decoder();
  drops_first_space = decoder->drops_first_space();
  std::size_t bytes = 0;
  for (const std::string& piece : vocabulary.pieces) bytes += piece.size();
  decoded.reserve(bytes);
  decoded_begin.reserve(vocabulary.pieces.size() + 1);
  std::string scratch;
  for (const std::string& piece : vocabulary.pieces) {
    decoded_begin.push_back(decoded.size());
    if (!piece.empty()) decoder->append_piece(piece, scratch, decoded);
  }
  decoded_begin.push_back(decoded.size());
}

void Tokenizer::Tables::name_special_tokens(const SpecialTokens& special) {
  vocabulary.add_bos = !pipeline.before.empty();
  vocabulary.add_eos = !pipeline.after.empty();
  vocabulary.clean_up_spaces = special.clean_up_spaces;
  vocabulary.bos = index.find(special.bos);
  vocabulary.eos = index.find(special.eos);
  vocabulary.padding = index.find(special.padding);
  vocabulary.unknown = index.find(special.unknown);
  if (vocabulary.add_bos) vocabulary.bos = pipeline.before.front();
  for (const Token token : special.ends) {
    if (token < 0 || token >= vocabulary.size()) continue;
    vocabulary.extra_ends.push_back(token);
    if (vocabulary.eos == kNoToken) vocabulary.eos = token;
  }
  if (vocabulary.add_eos && vocabulary.eos == kNoToken) vocabulary.eos = pipeline.after.back();
  vocabulary.eot = find_end_of_turn(index);
  ends = find_end_tokens(vocabulary, index);
}

bool Tokenizer::Tables::is_hidden(Token token, const DecodeOptions& options) const {
  const TokenType kind = type(token);
  const bool special = kind != TokenType::normal && kind != TokenType::user_defined && kind != TokenType::byte;
  const bool at_end = token == vocabulary.eos || (vocabulary.add_separator && token == vocabulary.separator);
  return (special && !options.render_special) || (options.skip_bos_eos && (token == vocabulary.bos || at_end));
}

std::string Tokenizer::Tables::decode_by_steps(std::span<const Token> tokens, const DecodeOptions& options) const {
  std::vector<std::string> texts;
  texts.reserve(tokens.size());
  for (const Token token : tokens) {
    const bool exists = token >= 0 && token < vocabulary.size() && type(token) != TokenType::unused;
    if (exists && !is_hidden(token, options)) texts.push_back(vocabulary.pieces[static_cast<std::size_t>(token)]);
  }
  return decoder->decode(std::move(texts));
}

}  // namespace plumb
