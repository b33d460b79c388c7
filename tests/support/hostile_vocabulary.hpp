#pragma once
/// Files that hold a vocabulary and nothing else, and ways to spoil them.

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/text/tokenizer.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::test {

/// Tokens in either of the two vocabularies below.
inline constexpr std::size_t kSpmTokens = 272, kBpeTokens = 261;

/// SentencePiece: 0 <unk>, 1 <s>, 2 </s>, 3 + b the byte b, 259 and more pieces.
inline GgufBuilder spm_file() {
  GgufBuilder file;
  add_spm_vocabulary(file, true);
  return file;
}
/// Byte-level BPE: 256 letters, "he", "re", "the", " the" and an end of text; 4 merges.
inline GgufBuilder bpe_file() {
  GgufBuilder file;
  add_bpe_vocabulary(file);
  return file;
}

inline void read_tokenizer(std::span<const std::byte> bytes) {
  (void)Tokenizer::from_file(GgufFile::from_memory(bytes, "bad.gguf"));
}

inline std::string vocabulary_key(const std::string& name) { return "tokenizer.ggml." + name; }

/// The strings of an array value.
inline std::vector<std::string> strings_of(GgufBuilder& file, const std::string& name) {
  const std::string& payload = file.pair(vocabulary_key(name)).payload;
  std::vector<std::string> strings;
  for (std::size_t at = 12; at < payload.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, payload.data() + at, sizeof length);
    strings.push_back(payload.substr(at + sizeof length, length));
    at += sizeof length + length;
  }
  return strings;
}

inline Change set_token(std::size_t id, const std::string& piece) {
  return [id, piece](GgufBuilder& file) {
    std::vector<std::string> tokens = strings_of(file, "tokens");
    tokens.at(id) = piece;
    file.set_strings(vocabulary_key("tokens"), tokens);
  };
}

inline Change add_merge(const std::string& merge) {
  return [merge](GgufBuilder& file) {
    std::vector<std::string> merges = strings_of(file, "merges");
    merges.push_back(merge);
    file.set_strings(vocabulary_key("merges"), merges);
  };
}

/// Element `id` of an array of 4-byte numbers.
template <class T>
Change set_number(const std::string& name, std::size_t id, T value) {
  static_assert(sizeof(T) == 4);
  return [=](GgufBuilder& file) { file.pair(vocabulary_key(name)).payload.replace(12 + 4 * id, 4, encoded(value)); };
}

/// The type that an array announces for its elements.
inline Change set_element_type(const std::string& name, std::uint32_t type) {
  return [=](GgufBuilder& file) { file.pair(vocabulary_key(name)).payload.replace(0, 4, encoded(type)); };
}

}  // namespace plumb::test
