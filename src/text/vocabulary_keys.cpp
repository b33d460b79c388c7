#include "plumb/text/vocabulary_keys.hpp"

#include <span>
#include <string>

namespace plumb::inline PLUMB_ABI {
namespace {

std::string_view model_name(TokenizerModel model) {
  switch (model) {
    case TokenizerModel::spm: return "llama";
    case TokenizerModel::bpe: return "gpt2";
    case TokenizerModel::wordpiece: return "bert";
    case TokenizerModel::unigram: return "t5";
    case TokenizerModel::rwkv: return "rwkv";
    case TokenizerModel::wordlevel: break;
  }
  throw Error(ErrorCode::unsupported_tokenizer, "GGUF has no vocabularies of whole words");
}

}  // namespace

void set_vocabulary(GgufWriter& writer, const Vocabulary& vocabulary) {
  const auto set = [&](const char* name, const auto& value) {
    writer.set("tokenizer.ggml." + std::string(name), value);
  };
  const auto set_token = [&](const char* name, Token token) {
    if (token != kNoToken) set(name, static_cast<std::uint32_t>(token));
  };
  set("model", model_name(vocabulary.model));
  set("pre", vocabulary.pre.empty() ? std::string_view("default") : std::string_view(vocabulary.pre));
  set("tokens", GgufArray::of_strings(std::span(vocabulary.pieces)));
  if (!vocabulary.scores.empty()) set("scores", GgufArray::of(std::span(vocabulary.scores)));
  GgufArray types(GgufType::i32);
  for (const TokenType type : vocabulary.types) types.add(static_cast<std::int32_t>(type));
  if (types.size() > 0) set("token_type", types);
  if (!vocabulary.merges.empty()) set("merges", GgufArray::of_strings(std::span(vocabulary.merges)));
  if (!vocabulary.charsmap.empty()) {
    GgufArray bytes(GgufType::u8);
    for (const char c : vocabulary.charsmap) bytes.add(static_cast<std::uint8_t>(c));
    set("precompiled_charsmap", bytes);
  }
  set_token("bos_token_id", vocabulary.bos);
  set_token("eos_token_id", vocabulary.eos);
  set_token("eot_token_id", vocabulary.eot);
  set_token("eom_token_id", vocabulary.eom);
  set_token("unknown_token_id", vocabulary.unknown);
  set_token("seperator_token_id", vocabulary.separator);  // so spelled in the format
  set_token("padding_token_id", vocabulary.padding);
  set("add_bos_token", vocabulary.add_bos);
  set("add_eos_token", vocabulary.add_eos);
  set("add_space_prefix", vocabulary.add_space_prefix);
  if (vocabulary.remove_extra_whitespaces) set("remove_extra_whitespaces", true);
  if (vocabulary.model != TokenizerModel::wordpiece) return;
  set("add_sep_token", vocabulary.add_separator);
  set("normalizer.lowercase", vocabulary.lowercase);
  set("normalizer.strip_accents", vocabulary.strip_accents);
}

}  // namespace plumb
