#pragma once
/// A small llama2.c checkpoint and vocabularies for it, encoded independently of the library.

#include <cstdint>
#include <string>

#include "tests/support/gguf_builder.hpp"

namespace plumb::test {

/// A checkpoint of one layer and 16 tokens.
inline std::string small_checkpoint() {
  std::string bytes;
  for (const std::int32_t number : {8, 12, 1, 2, 1, 16, 8}) bytes += encoded(number);
  constexpr int kFloats = 16 * 8 + 8 + 8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 8 + 3 * 12 * 8 + 8 + 8 * 4;
  for (int i = 0; i < kFloats; ++i) bytes += encoded(0.01f);
  return bytes;
}

/// A tokenizer.bin of so many pieces: the three special ones, then bytes from 'a' on.
inline std::string pieces_file(int pieces) {
  constexpr const char* kSpecial[] = {"<unk>", "<s>", "</s>"};
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string bytes = encoded(std::int32_t{6});
  for (int i = 0; i < pieces; ++i) {
    const int letter = 'a' + i - 3;
    const std::string piece = i < 3 ? kSpecial[i] : std::string("<0x") + kHex[letter / 16] + kHex[letter % 16] + ">";
    bytes += encoded(-1.0f) + encoded(static_cast<std::int32_t>(piece.size())) + piece;
  }
  return bytes;
}

}  // namespace plumb::test
