/// @file
/// From a tokenizer.json to the keys of a GGUF file.

#include <algorithm>
#include <memory>
#include <utility>

#include "byte_alphabet.hpp"
#include "json_merges.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/text/tokenizer_folder.hpp"
#include "plumb/text/vocabulary_keys.hpp"
#include "spm.hpp"
#include "tokenizer_folder.hpp"
#include "tokenizer_json.hpp"
#include "tokenizer_json_parts.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Texts on which pre-tokenizers and models differ if they differ at all: endings in both cases, numbers of every
// length, runs of spaces and newlines with what may follow, letters with marks, scripts without spaces, punctuation of
// many kinds, cased words run together, symbols, and what byte fallback has to spell.
constexpr std::string_view kCheckTexts[] = {
    "Hello world! It's what I'd call \"odd\": we'll see, THEY'VE said; DON'T 'S 'RE they'd I'M.",
    "1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 a1b22c333d4444 \u0663\u0664\u0665 \u00bd\u00b2 \u2163\u2164",
    "a  b   c    d\n\n  e\t f\r\n \n\n\n   g\n\t\th   \n   i \r\r j\u00a0k\u3000l\u2003m ",
    "    leading and trailing    ",
    "camelCase HTTPServer XMLHttpRequest iPhone snake_case kebab-case SCREAMING_CASE fooBar123Baz",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u65e5\u672c\u8a9e\u3068English\u306emix\u30c6\u30b9\u30c8123 "
    "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "caf\u00e9 na\u00efve \u00c9cole stra\u00dfe \u0130stanbul \u01c5 \u02b0 \u00aa Ma\u00f1ana "
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u0393\u03b5\u03b9\u03ac",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947 \u0645\u0631\u062d\u0628\u0627 "
    "\u05e9\u05dc\u05d5\u05dd \u1019\u103c\u1014\u103a\u1019\u102c \u0939\u093f\u0928\u094d\u0926\u0940\u0964",
    "if (x <= 3) { return foo[i]->bar(); } // #include <stdio.h>\n\ta += b && c || !d; /* $%^&*~` */ http://a.b/c?d=e",
    "\u2026 \u201cquoted\u201d \u2018single\u2019 \u2014 dash \u00bfqu\u00e9? \u00a1s\u00ed! \u20ac50 \u00a320 \u2192 "
    "\u2211 \u221e \U0001F600\U0001F468\u200d\U0001F469",
    "...!!!??? --- === ((( ))) [[[ ]]] ,,,;;; a...b a!b a,b ?!\n!? .\n\n. /\n/ '\n'",
    "\u2581meta\u2581space \u2581 <s> </s> <0x41> <|endoftext|> [CLS] ## \u0001 \u007f \ufffd",
    "",
    " ",
    "a",
};

[[noreturn]] void refuse(const std::string& source, const std::string& what) {
  throw Error(ErrorCode::unsupported_tokenizer, source + ": a GGUF file cannot say it: " + what);
}

// One name for each set of patterns and way with merges; what other engines know as well.
constexpr std::string_view kNames[] = {
    "gpt-2",      "llama-bpe",    "qwen2",   "gpt-4o",     "tekken",   "dbrx",      "deepseek-v3",
    "starcoder",  "deepseek-llm", "falcon",  "qwen35",     "bloom",    "viking",    "deepseek-coder",
    "seed-coder", "bailingmoe",   "kimi-k2", "exaone-moe", "minicpm5", "chameleon", "superbpe",
    "youtu",      "afmoe",        "laguna",  "default",
};

/// The words of a text as bytes. `letters`: the steps spell bytes as letters before they end.
std::vector<std::string> words_of(const Pretokenizer& words, bool letters, std::string_view text) {
  WordList list(text, true);
  words.run(list);
  std::vector<std::string> out;
  for (const std::string_view word : list.words) out.push_back(letters ? decode_byte_letters(word) : std::string(word));
  return out;
}

/// The name under which GGUF readers know a way to cut words, or the one that cuts most of the texts so; `wrong` counts
/// the others.
std::string_view name_of(const Pretokenizer& words, bool letters, bool ignore_merges, std::ptrdiff_t& wrong) {
  std::vector<std::vector<std::string>> wanted;
  for (const std::string_view text : kCheckTexts) wanted.push_back(words_of(words, letters, text));
  std::string_view best;
  for (const bool same_merges : {true, false})
    for (const std::string_view name : kNames) {
      const PretokenizerFamily* family = find_pretokenizer(name);
      if ((family->ignore_merges == ignore_merges) != same_merges) continue;
      const Pretokenizer named(family->steps);
      std::ptrdiff_t differ = 0;
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (words_of(named, false, kCheckTexts[i]) != wanted[i]) ++differ;
      if (best.empty() || differ < wrong) {
        best = name;
        wrong = differ;
      }
      if (wrong == 0) return best;
    }
  return best;
}

/// A spelling that a reader of "left right" finds again.
const std::string& merge_part(const Vocabulary& vocabulary, Token token) {
  const std::string& piece = vocabulary.pieces[static_cast<std::size_t>(token)];
  if (piece.find(' ') != std::string::npos)
    refuse(vocabulary.source, "a merge of " + quote(piece) + ", which has a space");
  return piece;
}

/// What is not the same; empty if nothing is.
std::string difference_of(const Tokenizer& original, const Tokenizer& converted) {
  for (const std::string_view text : kCheckTexts)
    for (const bool add_special : {false, true})
      if (original.encode(text, {.add_special = add_special}) != converted.encode(text, {.add_special = add_special}))
        return "other tokens come out of the text " + quote(text);
  for (Token token = 0; token < original.size(); ++token) {
    if (original.type(token) != TokenType::user_defined) continue;
    const std::string spelling(original.spelling(token)), text = "a " + spelling + " b" + spelling;
    if (original.encode(text) != converted.encode(text)) return "other tokens come out of the text " + quote(text);
  }
  return {};
}

/// With unused tokens in the gaps and up to the model's number of tokens.
Vocabulary padded(Vocabulary vocabulary, std::int64_t size) {
  if (vocabulary.size() > size)
    throw Error(ErrorCode::out_of_range, vocabulary.source + ": " + std::to_string(vocabulary.size()) +
                                             " tokens, the model has " + std::to_string(size));
  for (std::size_t id = 0; id < static_cast<std::size_t>(size); ++id) {
    if (id < vocabulary.pieces.size() && !vocabulary.pieces[id].empty()) continue;
    if (id >= vocabulary.pieces.size()) {
      vocabulary.pieces.emplace_back();
      vocabulary.types.push_back(TokenType::unused);
      if (!vocabulary.scores.empty()) vocabulary.scores.push_back(-1e6f);
    }
    vocabulary.pieces[id] = "[PAD" + std::to_string(id) + "]";
    vocabulary.types[id] = TokenType::unused;
  }
  return vocabulary;
}

}  // namespace

void TokenizerJson::describe_byte_level(Vocabulary& vocabulary, const ModelPieces& pieces,
                                        std::string& difference) const {
  Pretokenizer words;
  const bool ends_with_letters = add_pre_tokenizer(pre_tokenizer_, source_, words);
  std::ptrdiff_t wrong = 0;
  vocabulary.pre = name_of(words, !ends_with_letters, model_.ignore_merges, wrong);
  // Readers go by the name; whether it makes a difference is seen when texts are tried.
  vocabulary.ignore_merges = find_pretokenizer(vocabulary.pre)->ignore_merges;
  if (wrong > 0) difference = "a pre-tokenizer without a name, '" + vocabulary.pre + "' comes nearest";
  for (const Merge& merge : read_json_merges(merges_, merges_commas_, source_, pieces, model_.continuing_prefix))
    vocabulary.merges.push_back(merge_part(vocabulary, merge.left) + " " + merge_part(vocabulary, merge.right));
}

/// SentencePiece joins what scores best: a token's score is the rank of the first merge that makes it.
void TokenizerJson::describe_spm(Vocabulary& vocabulary, const ModelPieces& pieces) const {
  if (!model_.byte_fallback || model_.ignore_merges || !model_.continuing_prefix.empty() || !model_.end_suffix.empty())
    refuse(source_, "BPE of characters without byte fallback");
  vocabulary.model = TokenizerModel::spm;
  vocabulary.scores.assign(vocabulary.pieces.size(), -1e6f);
  std::vector<bool> made(vocabulary.pieces.size());
  for (const Merge& merge : read_json_merges(merges_, merges_commas_, source_, pieces, {})) {
    const auto id = static_cast<std::size_t>(merge.joined);
    if (!made[id]) vocabulary.scores[id] = -static_cast<float>(merge.rank);
    made[id] = true;
  }
  if (const Token unknown = pieces.find(model_.unknown); unknown != kNoToken) {
    vocabulary.unknown = unknown;
    vocabulary.types[static_cast<std::size_t>(unknown)] = TokenType::unknown;
  }
}

void TokenizerJson::describe_wordpiece(Vocabulary& vocabulary, const ModelPieces& pieces) const {
  if (model_.continuing_prefix != "##" || model_.longest_word != 100)
    refuse(source_, "WordPiece with other rules than BERT's");
  vocabulary.unknown = pieces.find(model_.unknown);
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    std::string& piece = vocabulary.pieces[id];
    const TokenType type = vocabulary.types[id];
    if (type == TokenType::control || type == TokenType::user_defined || piece.empty()) continue;
    if (piece.starts_with("##"))
      piece.erase(0, 2);
    else
      piece.insert(0, kSpaceMark);
  }
  vocabulary.scores.assign(vocabulary.pieces.size(), -1000.0f);
}

void TokenizerJson::describe_for_gguf(Vocabulary& vocabulary, const PieceIndex& index, const std::vector<bool>& foreign,
                                      std::string& difference) const {
  const ModelPieces pieces(index, foreign);
  for (const AddedToken& token : added_)
    if (!token.special &&
        (token.single_word || token.left != SwallowedSpace::none || token.right != SwallowedSpace::none))
      refuse(source_, "added token " + quote(token.content) + " looks at its neighbours");
  switch (vocabulary.model) {
    case TokenizerModel::bpe:
      return has_byte_letters(pieces) ? describe_byte_level(vocabulary, pieces, difference)
                                      : describe_spm(vocabulary, pieces);
    case TokenizerModel::wordpiece: return describe_wordpiece(vocabulary, pieces);
    default: refuse(source_, "model " + quote(model_.type));
  }
}

Vocabulary gguf_vocabulary_from_folder(const std::filesystem::path& folder, std::int64_t size,
                                       std::string* difference) {
  const TokenizerFiles files(folder);
  const Tokenizer original = files.tokenizer();
  if (!files.has_json()) {
    const Vocabulary& vocabulary = original.vocabulary();
    const bool bare = vocabulary.model == TokenizerModel::unigram && vocabulary.remove_extra_whitespaces &&
                      !vocabulary.add_space_prefix;
    const std::string what = bare ? "spaces count once, and none stands before a text" : "";
    if (bare && !difference) refuse(vocabulary.source, what);
    if (difference) *difference = what;
    return padded(vocabulary, size);
  }
  TokenizerJson json(files.json(), files.source());
  Vocabulary vocabulary = json.vocabulary();
  const std::vector<bool> foreign = json.take_foreign();
  std::string found;
  {
    const PieceIndex index(vocabulary.pieces);
    json.describe_for_gguf(vocabulary, index, foreign, found);
  }
  const Vocabulary& known = original.vocabulary();
  vocabulary.bos = known.bos;
  vocabulary.eos = known.eos;
  vocabulary.eot = known.eot;
  vocabulary.padding = known.padding;
  if (vocabulary.unknown == kNoToken) vocabulary.unknown = known.unknown;
  vocabulary.add_bos = known.add_bos;
  vocabulary.add_eos = known.add_eos;
  if (vocabulary.model == TokenizerModel::wordpiece) {
    const std::vector<Token> empty = original.encode("");
    vocabulary.separator = empty.size() > 1 ? empty.back() : kNoToken;
    vocabulary.add_separator = vocabulary.separator != kNoToken;
    vocabulary.add_eos = false;
    vocabulary.lowercase = original.encode("A", {.add_special = false}) == original.encode("a", {.add_special = false});
    vocabulary.strip_accents =
        original.encode("\u00e9", {.add_special = false}) == original.encode("e", {.add_special = false});
  }
  vocabulary = padded(std::move(vocabulary), size);
  if (vocabulary.model == TokenizerModel::spm) {
    const std::vector<Token> first = original.encode("a", {.add_special = false});
    vocabulary.add_space_prefix = !first.empty() && original.spelling(first.front()).starts_with(kSpaceMark);
  }
  if (found.empty()) found = difference_of(original, Tokenizer(vocabulary));
  if (!found.empty() && !difference) refuse(vocabulary.source, found);
  if (difference) *difference = found;
  return vocabulary;
}

}  // namespace plumb
