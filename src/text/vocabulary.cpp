#include "plumb/text/vocabulary.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <unordered_set>

#include "plumb/core/printable.hpp"
#include "pretokenizer.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
std::string key(std::string_view name) { return std::string(kPrefix).append(name); }

TokenizerModel read_model(const ModelFile& file) {
  const std::string_view model = file.get_string(key("model"));
  if (model == "llama") return TokenizerModel::spm;
  if (model == "gpt2") return TokenizerModel::bpe;
  if (model == "bert") return TokenizerModel::wordpiece;
  if (model == "t5") return TokenizerModel::unigram;
  if (model == "rwkv") return TokenizerModel::rwkv;
  file.fail_key(
      ErrorCode::unsupported_tokenizer, key("model"),
      quote(model) +
          " is not supported, expected 'llama' (SentencePiece), 'gpt2' (byte-level BPE), 'bert' (WordPiece), 't5' "
          "(Unigram) or 'rwkv'");
}

std::vector<std::string> read_strings(const ModelFile& file, const std::string& name) {
  const std::vector<std::string_view> views = file.get_strings(name);
  return {views.begin(), views.end()};
}

/// The special token of a key, or `fallback` where the file is silent and the vocabulary is large enough. -1, in as
/// many bits as the key has, is how converters say that there is none.
Token read_special(const ModelFile& file, std::string_view name, Token fallback, std::int64_t size) {
  const std::string full = key(name);
  if (!file.find(full)) return fallback < size ? fallback : kNoToken;
  const std::int64_t id = file.get_int(full);
  if (id == -1 || id == std::int64_t{std::numeric_limits<std::uint32_t>::max()}) return kNoToken;
  if (id < 0 || id >= size)
    file.fail_key(ErrorCode::out_of_range, full,
                  std::to_string(id) + ", the vocabulary has " + std::to_string(size) + " tokens");
  return static_cast<Token>(id);
}

void read_special_tokens(const ModelFile& file, Vocabulary& vocabulary) {
  const std::int64_t size = vocabulary.size();
  // The families' ids, for files older than the keys.
  struct Usual {
    Token bos = kNoToken, eos = kNoToken, unknown = kNoToken, separator = kNoToken;
  } usual;
  if (vocabulary.model == TokenizerModel::spm) usual = {.bos = 1, .eos = 2, .unknown = 0};
  if (vocabulary.model == TokenizerModel::wordpiece) usual = {.bos = 101, .unknown = 100, .separator = 102};
  if (vocabulary.model == TokenizerModel::unigram) usual = {.eos = 1, .unknown = 2};
  vocabulary.bos = read_special(file, "bos_token_id", usual.bos, size);
  vocabulary.eos = read_special(file, "eos_token_id", usual.eos, size);
  vocabulary.unknown = read_special(file, "unknown_token_id", usual.unknown, size);
  vocabulary.eot = read_special(file, "eot_token_id", kNoToken, size);
  vocabulary.eom = read_special(file, "eom_token_id", kNoToken, size);
  // So spelled in the format.
  vocabulary.separator = read_special(file, "seperator_token_id", usual.separator, size);
  if (const std::string padding = key("padding_token_id"); file.find(padding)) {  // not needed: may be anywhere
    const std::int64_t id = file.get_int(padding);
    if (id >= 0 && id < size) vocabulary.padding = static_cast<Token>(id);
  }
  for (const std::string_view name : {"fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"})
    if (const Token token = read_special(file, name, kNoToken, size); token != kNoToken)
      vocabulary.extra_ends.push_back(token);
}

/// Phi-3 swallows the white space after its special tokens. No key says so; the model's name does.
bool is_phi3(const ModelFile& file) {
  std::string name(file.string_or("general.name", ""));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
}

void read_rules(const ModelFile& file, Vocabulary& vocabulary) {
  bool add_bos = vocabulary.model != TokenizerModel::unigram && vocabulary.model != TokenizerModel::rwkv;
  if (vocabulary.model == TokenizerModel::bpe) {
    const PretokenizerFamily* family = find_pretokenizer(vocabulary.pre);
    if (!family)
      file.fail_key(ErrorCode::unsupported_tokenizer, key("pre"),
                    "pre-tokenizer " + quote(vocabulary.pre) + " is not known");
    vocabulary.ignore_merges = family->ignore_merges;
    vocabulary.clean_up_spaces = family->clean_up_spaces;
    add_bos = family->add_bos;
  }
  if (vocabulary.model == TokenizerModel::wordpiece) {
    vocabulary.add_separator = file.bool_or(key("add_sep_token"), vocabulary.separator != kNoToken);
    vocabulary.lowercase = file.bool_or(key("normalizer.lowercase"), true);
    vocabulary.strip_accents = file.bool_or(key("normalizer.strip_accents"), vocabulary.lowercase);
    vocabulary.clean_up_spaces = true;
  }
  // A family's habit needs the token; a file that asks for a token it lacks is refused later.
  vocabulary.add_bos = file.bool_or(key("add_bos_token"), add_bos && vocabulary.bos != kNoToken);
  const bool unigram = vocabulary.model == TokenizerModel::unigram;
  const bool spm = vocabulary.model == TokenizerModel::spm || vocabulary.model == TokenizerModel::wordpiece;
  vocabulary.add_eos = file.bool_or(key("add_eos_token"), unigram && vocabulary.eos != kNoToken);
  vocabulary.remove_extra_whitespaces = file.bool_or(key("remove_extra_whitespaces"), false);
  // Readers of Unigram files that collapse spaces put one before every word, the first one too.
  vocabulary.add_space_prefix =
      file.bool_or(key("add_space_prefix"), spm) || (unigram && vocabulary.remove_extra_whitespaces);
  vocabulary.strip_right_of_special = is_phi3(file);
}

}  // namespace

Vocabulary vocabulary_from_file(const ModelFile& file) {
  Vocabulary vocabulary;
  vocabulary.source = file.path();
  vocabulary.model = read_model(file);
  vocabulary.pre = file.string_or(key("pre"), "");
  if (vocabulary.model == TokenizerModel::bpe && vocabulary.pre.empty())
    vocabulary.notes.push_back(
        vocabulary.source + ": key '" + key("pre") +
        "' is missing: how text is cut into words is a guess, and answers may suffer; convert the "
        "model again, or set the key");
  vocabulary.pieces = read_strings(file, key("tokens"));
  if (vocabulary.pieces.size() > static_cast<std::size_t>(std::numeric_limits<Token>::max()))
    file.fail_key(ErrorCode::overflow, key("tokens"), "more tokens than 31-bit ids");
  // An empty array of scores or types would pass for an absent one below.
  const auto check_size = [&](std::size_t found, const std::string& name) {
    if (found != vocabulary.pieces.size())
      file.fail_key(
          ErrorCode::bad_tokenizer, name,
          std::to_string(found) + " elements, expected one per token: " + std::to_string(vocabulary.pieces.size()));
  };
  const bool scored = vocabulary.model == TokenizerModel::spm || vocabulary.model == TokenizerModel::unigram;
  if (scored || file.find(key("scores"))) {
    vocabulary.scores = file.get_floats(key("scores"));
    check_size(vocabulary.scores.size(), key("scores"));
  }
  if (file.find(key("token_type"))) {
    const std::vector<std::int32_t> types = file.get_ints(key("token_type"));
    check_size(types.size(), key("token_type"));
    vocabulary.types.reserve(types.size());
    for (const std::int32_t type : types) vocabulary.types.push_back(static_cast<TokenType>(type));
  }
  if (vocabulary.model == TokenizerModel::bpe) vocabulary.merges = read_strings(file, key("merges"));
  if (file.find(key("precompiled_charsmap")))
    for (const std::int32_t byte : file.get_ints(key("precompiled_charsmap")))
      vocabulary.charsmap += static_cast<char>(byte);
  read_special_tokens(file, vocabulary);
  read_rules(file, vocabulary);
  return vocabulary;
}

void cut_vocabulary(Vocabulary& vocabulary, std::int64_t rows) {
  const std::int64_t size = vocabulary.size();
  if (rows < 1 || size <= rows) return;
  vocabulary.notes.push_back(vocabulary.source + ": the vocabulary has " + std::to_string(size) +
                             " tokens, the model rows for " + std::to_string(rows) + ": the others are left out");
  const auto count = static_cast<std::size_t>(rows);
  if (!vocabulary.merges.empty()) {
    const std::unordered_set<std::string> gone(vocabulary.pieces.begin() + rows, vocabulary.pieces.end());
    std::erase_if(vocabulary.merges, [&](const std::string& merge) {
      const std::size_t space = std::min(merge.find(' ', 1), merge.size());
      const std::string left = merge.substr(0, space), right = merge.substr(std::min(space + 1, merge.size()));
      return gone.contains(left) || gone.contains(right) || gone.contains(left + right);
    });
  }
  vocabulary.pieces.resize(count);
  if (!vocabulary.scores.empty()) vocabulary.scores.resize(count);
  if (!vocabulary.types.empty()) vocabulary.types.resize(count);
  for (Token* const token : {&vocabulary.bos, &vocabulary.eos, &vocabulary.eot, &vocabulary.eom, &vocabulary.unknown,
                             &vocabulary.separator, &vocabulary.padding})
    if (*token >= rows) *token = kNoToken;
  std::erase_if(vocabulary.extra_ends, [&](Token token) { return token >= rows; });
  vocabulary.add_bos = vocabulary.add_bos && vocabulary.bos != kNoToken;
  vocabulary.add_eos = vocabulary.add_eos && vocabulary.eos != kNoToken;
  vocabulary.add_separator = vocabulary.add_separator && vocabulary.separator != kNoToken;
}

}  // namespace plumb
