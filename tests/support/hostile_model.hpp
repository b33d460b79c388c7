#pragma once
/// Loading a hostile file as far as it goes: reader, configuration, weights, tokenizer, a prompt and a few tokens.

#include <cstddef>
#include <span>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/model.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::test {

/// Loads a model from memory.
inline Model load_from(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
  return Model::from_file(GgufFile::from_memory(bytes, "bad.gguf"), options);
}

inline void load_only(std::span<const std::byte> bytes) { (void)load_from(bytes); }

/// Loads it and, since it was accepted, uses its tokenizer as a program would.
inline void load_and_run(std::span<const std::byte> bytes, const LoadOptions& options) {
  const Model model = load_from(bytes, options);
  if (!model.has_tokenizer()) return;
  const Tokenizer& tokenizer = model.tokenizer();
  const std::vector<Token> tokens =
      tokenizer.encode("the cat \xff\n<s> he", {.add_special = true, .parse_special = true});
  (void)tokenizer.decode(tokens);
}

}  // namespace plumb::test
