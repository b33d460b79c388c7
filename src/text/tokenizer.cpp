#include "plumb/text/tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "tokenizer_tables.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Positions inside a text have 31 bits, and a space may become three bytes.
constexpr std::size_t kLongestText = std::size_t{1} << 29;

/// What "clean_up_tokenization_spaces" does in the families' reference decoders.
void clean_up(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kChanges[] = {
      {" ?", "?"},   {" !", "!"},   {" .", "."},     {" ,", ","},    {" ' ", "'"},
      {" 's", "'s"}, {" 'm", "'m"}, {" 're", "'re"}, {" 've", "'ve"}};
  for (const auto& [from, to] : kChanges) replace_all(text, from, to);
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary) : tables_(std::make_shared<const Tables>(std::move(vocabulary))) {}

Tokenizer::Tokenizer(std::shared_ptr<const Tables> tables) : tables_(std::move(tables)) {}

Tokenizer Tokenizer::from_json(std::string_view json, const std::string& source, const SpecialTokens& special) {
  return Tokenizer(std::make_shared<const Tables>(TokenizerJson(json, source), special));
}

Tokenizer Tokenizer::from_file(const ModelFile& file) { return Tokenizer(vocabulary_from_file(file)); }

std::vector<Token> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kLongestText)
    throw Error(ErrorCode::invalid_argument,
                "text of " + std::to_string(text.size()) + " bytes, expected at most " + std::to_string(kLongestText));
  std::vector<Token> tokens;
  tables_->pipeline.encode(text, options, tokens);
  return tokens;
}

std::string_view Tokenizer::render(Token token, const DecodeOptions& options, bool& at_start) const {
  const std::string_view text = decode(token);
  if (text.empty() || tables_->is_hidden(token, options)) return {};
  const bool prefixed = std::exchange(at_start, false) && tables_->drops_first_space && text.front() == ' ';
  return prefixed ? text.substr(1) : text;
}

std::string Tokenizer::decode(std::span<const Token> tokens, const DecodeOptions& options) const {
  std::string text;
  bool at_start = true;
  if (tables_->decoder)
    text = tables_->decode_by_steps(tokens, options);
  else
    for (const Token token : tokens) text += render(token, options, at_start);
  if (options.clean_up_spaces) clean_up(text);
  return text;
}

std::string_view Tokenizer::decode(Token token) const {
  if (tables_->decoder && (token < 0 || token >= size())) return {};
  check(token);
  const auto id = static_cast<std::size_t>(token);
  const std::size_t begin = tables_->decoded_begin[id];
  return std::string_view(tables_->decoded).substr(begin, tables_->decoded_begin[id + 1] - begin);
}

std::string_view Tokenizer::spelling(Token token) const {
  check(token);
  return tables_->vocabulary.pieces[static_cast<std::size_t>(token)];
}

Token Tokenizer::find(std::string_view spelling) const { return tables_->index.find(spelling); }

TokenType Tokenizer::type(Token token) const {
  check(token);
  return tables_->type(token);
}

void Tokenizer::check(Token token) const {
  if (token < 0 || token >= size())
    throw Error(ErrorCode::out_of_range,
                "token " + std::to_string(token) + ", the vocabulary has " + std::to_string(size()) + " tokens");
}

std::int64_t Tokenizer::size() const { return tables_->vocabulary.size(); }
const Vocabulary& Tokenizer::vocabulary() const { return tables_->vocabulary; }
Token Tokenizer::bos() const { return tables_->vocabulary.bos; }
Token Tokenizer::eos() const { return tables_->vocabulary.eos; }
Token Tokenizer::eot() const { return tables_->vocabulary.eot; }
std::span<const Token> Tokenizer::ends() const { return tables_->ends; }
bool Tokenizer::is_end(Token token) const {
  return std::binary_search(tables_->ends.begin(), tables_->ends.end(), token);
}

}  // namespace plumb
