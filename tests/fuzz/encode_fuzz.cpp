/// Fuzzer: any bytes as a text, under every kind of encoder and every set of pre-tokenizer patterns. What must hold: no
/// error, ids inside the vocabulary, the same ids again, decoding that gives valid text back, a stream that agrees.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/text/tokenizer.hpp"
#include "tests/text/small_vocabularies.hpp"

namespace {

using namespace plumb;

std::vector<Tokenizer> make_tokenizers() {
  std::vector<Tokenizer> all;
  for (const char* pre : {"default", "gpt-2",        "starcoder",      "falcon",      "llama-bpe", "qwen2",
                          "qwen35",  "bailingmoe",   "minicpm5",       "exaone-moe",  "tekken",    "gpt-4o",
                          "youtu",   "deepseek-llm", "deepseek-coder", "deepseek-v3", "afmoe",     "bloom",
                          "viking",  "chameleon",    "superbpe",       "seed-coder",  "laguna",    "kimi-k2"})
    all.emplace_back(test::small_bpe(pre));
  all.emplace_back(test::small_spm());
  Vocabulary bare = test::small_spm();
  bare.add_space_prefix = false;
  all.emplace_back(std::move(bare));
  return all;
}

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_valid(std::string_view text) {
  // The stream replaces what is invalid, so valid text passes through it unchanged.
  return text.find("\xEF\xBF\xBD") == std::string_view::npos;
}

void check(const Tokenizer& tokenizer, std::string_view text, bool parse_special) {
  const EncodeOptions options{.add_special = false, .parse_special = parse_special};
  const std::vector<Token> tokens = tokenizer.encode(text, options);
  require(tokens == tokenizer.encode(text, options));
  const std::string decoded = tokenizer.decode(tokens);
  StreamDecoder stream(tokenizer);
  std::string streamed;
  for (const Token token : tokens) streamed += stream.push(token);
  streamed += stream.flush();
  if (is_valid(streamed)) require(streamed == decoded);
  const bool spm = tokenizer.vocabulary().model == TokenizerModel::spm;
  // SentencePiece keeps every byte, but a space mark comes back as a space and a prefix may follow a special token.
  const bool plain = text.find("\xE2\x96\x81") == std::string_view::npos && text.find('[') == std::string_view::npos &&
                     text.find('<') == std::string_view::npos;
  if (spm && plain) require(decoded == text);
  if (!spm && is_valid(streamed) && !parse_special) require(decoded == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Tokenizer> kTokenizers = make_tokenizers();
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  check(kTokenizers[data[0] % kTokenizers.size()], text, (data[0] & 0x80) != 0);
  return 0;
}
