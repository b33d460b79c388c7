#pragma once
/// @file
/// The spec of a model of the Llama shape: what most families start from, and the shortest way for a program to
/// describe a model.

#include <string>

#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// The few numbers that llama-shaped models differ in.
struct LlamaShape {
  std::string name = {};
  int vocab = 0;     ///< V
  int width = 0;     ///< D
  int layers = 0;    ///< L
  int heads = 0;     ///< H
  int kv_heads = 0;  ///< G
  int head_dim = 0;  ///< d
  int ffn = 0;       ///< F
  int context = 0;   ///< positions
  float rope_base = 10000.0f;
  bool tied = false;  ///< the head is the embedding
};

/// RMS norms before each part, rotation of interleaved pairs, a SiLU-gated feed-forward block, no biases.
inline ModelSpec llama_spec(const LlamaShape& shape) {
  ModelSpec spec;
  spec.name = shape.name;
  spec.vocab_size = shape.vocab;
  spec.width = shape.width;
  spec.context = shape.context;
  RopeSpec rope;
  rope.dims = shape.head_dim;
  rope.base = shape.rope_base;
  spec.ropes.push_back(rope);
  LayerSpec layer;
  AttentionSpec attention;
  attention.n_heads = shape.heads;
  attention.n_kv_heads = shape.kv_heads;
  attention.head_dim = shape.head_dim;
  layer.mixer = attention;
  DenseSpec dense;
  dense.inner = shape.ffn;
  layer.ffn = dense;
  layer.mixer_branch.norm = layer.ffn_branch.norm = NormSpec{};
  spec.layers.assign(static_cast<std::size_t>(shape.layers > 0 ? shape.layers : 0), layer);
  spec.output.tied = shape.tied;
  return spec;
}

}  // namespace plumb
