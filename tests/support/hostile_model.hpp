#pragma once
/// Loading a hostile file as far as it goes: reader, configuration, weights, tokenizer, a prompt and a few tokens.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::test {

/// Loads a model from memory.
inline Model load_from(std::span<const std::byte> bytes, const LoadOptions& options = {}) {
  return Model::from_file(GgufFile::from_memory(bytes, "bad.gguf"), options);
}

inline void load_only(std::span<const std::byte> bytes) { (void)load_from(bytes); }

/// Loads it and, since it was accepted, uses it as a program would. One thread: such models are too small for more.
inline void load_and_run(std::span<const std::byte> bytes, const LoadOptions& options) {
  const Model model = load_from(bytes, options);
  Session session(model, {.context = 8, .threads = 1, .batch = 4});
  std::vector<Token> prompt = {0};
  if (model.has_tokenizer()) {
    const Tokenizer& tokenizer = model.tokenizer();
    std::vector<Token> tokens = tokenizer.encode("the cat \xff\n<s> he", {.add_special = true, .parse_special = true});
    (void)tokenizer.decode(tokens);
    tokens.resize(std::min<std::size_t>(tokens.size(), 5));
    if (!tokens.empty()) prompt = std::move(tokens);
  }
  session.prefill(prompt);
  for (const Token token : session.generate({.sampling = {.temperature = 0}, .max_tokens = 2}))
    if (model.has_tokenizer()) (void)model.tokenizer().decode(token);
}

/// Fails the test unless the file loads and runs, packed and exact.
inline void expect_runs(const GgufBuilder& file) {
  for (const bool exact : {false, true}) {
    const auto outcome =
        read_bounded(file.bytes(), [&](std::span<const std::byte> bytes) { load_and_run(bytes, {.exact = exact}); });
    EXPECT_FALSE(outcome.code) << outcome.message;
  }
}

}  // namespace plumb::test
