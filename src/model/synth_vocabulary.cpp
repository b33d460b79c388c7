// The generated vocabulary of synthetic models.

#include "../core/format.hpp"
#include "plumb/core/error.hpp"
#include "plumb/model/synth.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581, how SentencePiece spells a space

/// Appends pieces until the vocabulary is full.
class VocabularyWriter {
 public:
  VocabularyWriter(Vocabulary& vocabulary, std::int64_t size) : vocabulary_(vocabulary), size_(size) {}
  bool full() const { return vocabulary_.size() >= size_; }
  void add(std::string piece, TokenType type) {
    if (full()) return;
    const bool scored = type == TokenType::normal;
    vocabulary_.pieces.push_back(std::move(piece));
    vocabulary_.types.push_back(type);
    vocabulary_.scores.push_back(scored ? static_cast<float>(-scored_++) : 0.0f);
  }

 private:
  Vocabulary& vocabulary_;
  std::int64_t size_;
  int scored_ = 0;
};

/// The next word of the same length in alphabetical order; false after the last.
bool next_word(std::string& word) {
  for (std::size_t i = word.size(); i-- > 0; word[i] = 'a')
    if (word[i]++ != 'z') return true;
  return false;
}

}  // namespace

Vocabulary synthetic_vocabulary(std::int64_t size) {
  if (size < kSmallestSynthVocabulary)
    throw Error(ErrorCode::invalid_argument, "a vocabulary of " + std::to_string(size) + " tokens, expected at least " +
                                                 std::to_string(kSmallestSynthVocabulary));
  Vocabulary vocabulary;
  VocabularyWriter writer(vocabulary, size);
  writer.add("<unk>", TokenType::unknown);
  writer.add("<s>", TokenType::control);
  writer.add("</s>", TokenType::control);
  for (int byte = 0; byte < 256; ++byte) writer.add(formatted("<0x{:02X}>", byte), TokenType::byte);
  writer.add(std::string(kSpaceMark), TokenType::normal);
  for (char c = '!'; c <= '~'; ++c) writer.add(std::string(1, c), TokenType::normal);
  for (std::size_t length = 1; !writer.full(); ++length) {
    std::string word(length, 'a');
    do {
      if (length > 1) writer.add(word, TokenType::normal);
      writer.add(std::string(kSpaceMark) + word, TokenType::normal);
    } while (!writer.full() && next_word(word));
  }
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_bos = vocabulary.add_space_prefix = true;
  return vocabulary;
}

}  // namespace plumb
