#pragma once
/// A small encoder with a WordPiece vocabulary, as a GGUF file in memory.

#include <random>
#include <string>
#include <vector>

#include "tests/support/gguf_builder.hpp"

namespace plumb::test {

/// The words that the vocabulary can spell: 5 "the", 6 "red", 7 "fox", 8 "fo", 9 "##x", 10 "##es", 11 ".".
inline GgufBuilder tiny_bert() {
  constexpr std::uint64_t kDim = 32, kFfn = 48, kContext = 24;
  const std::vector<std::string> tokens = {"[PAD]",     "[UNK]",     "[CLS]",    "[SEP]", "[MASK]", "\u2581the",
                                           "\u2581red", "\u2581fox", "\u2581fo", "x",     "es",     "\u2581."};
  std::vector<std::int32_t> types(tokens.size(), token_type::normal);
  for (std::size_t i = 0; i < 5; ++i) types[i] = token_type::control;
  std::mt19937 random(20181011);
  GgufBuilder file;
  file.set_string("general.architecture", "bert");
  file.set_u32("bert.context_length", kContext);
  file.set_u32("bert.embedding_length", kDim);
  file.set_u32("bert.block_count", 2);
  file.set_u32("bert.feed_forward_length", kFfn);
  file.set_u32("bert.attention.head_count", 4);
  file.set_f32("bert.attention.layer_norm_epsilon", 1e-5f);
  file.set_bool("bert.attention.causal", false);
  file.set_u32("bert.pooling_type", 1);
  file.set_u32("tokenizer.ggml.token_type_count", 2);
  file.set_string("tokenizer.ggml.model", "bert");
  file.set_strings("tokenizer.ggml.tokens", tokens);
  file.set_numbers<std::int32_t>("tokenizer.ggml.token_type", value_type::i32, types);
  file.set_u32("tokenizer.ggml.bos_token_id", 2);
  file.set_u32("tokenizer.ggml.unknown_token_id", 1);
  file.set_u32("tokenizer.ggml.seperator_token_id", 3);
  const auto matrix = [&](const std::string& name, std::uint64_t cols, std::uint64_t rows) {
    file.add_random(name + ".weight", {cols, rows}, random);
    file.add_random(name + ".bias", {rows}, random);
  };
  const auto norm = [&](const std::string& name) {
    file.add_random(name + ".weight", {kDim}, random, 1);
    file.add_random(name + ".bias", {kDim}, random);
  };
  file.add_random("token_embd.weight", {kDim, tokens.size()}, random);
  file.add_random("token_types.weight", {kDim, 2}, random);
  file.add_random("position_embd.weight", {kDim, kContext}, random);
  norm("token_embd_norm");
  for (const std::string blk : {"blk.0.", "blk.1."}) {
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) matrix(blk + name, kDim, kDim);
    norm(blk + "attn_output_norm");
    matrix(blk + "ffn_up", kDim, kFfn);
    matrix(blk + "ffn_down", kFfn, kDim);
    norm(blk + "layer_output_norm");
  }
  return file;
}

}  // namespace plumb::test
