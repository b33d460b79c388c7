#pragma once
/// The few numbers that tell llama-shaped models apart; private to the preset files.

#include <string_view>

#include "plumb/model/config.hpp"

namespace plumb::inline PLUMB_ABI::presets {

struct LlamaShape {
  std::string_view name;
  int vocab, width, layers, heads, kv_heads, head_dim, ffn, context;
  float rope_base = 10000.0f;
  bool tied = false;
};

/// RMS norms, rotation, SiLU-gated feed-forward, no biases.
inline ModelConfig llama_shaped(const LlamaShape& shape) {
  ModelConfig config;
  config.name = shape.name;
  config.vocab_size = shape.vocab;
  config.width = shape.width;
  config.n_layers = shape.layers;
  config.n_heads = shape.heads;
  config.n_kv_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  config.ffn_dim = shape.ffn;
  config.context = shape.context;
  config.rope.base = shape.rope_base;
  config.tied_head = shape.tied;
  return config;
}

}  // namespace plumb::presets
