#pragma once
/// @file
/// The shape of a transformer as a plain struct. Every field says what it does to parameters, bytes and operations,
/// since these are what the ledger counts. A config exists without any weights: presets and sweeps make them by hand.

#include <cstdint>
#include <string>

#include "plumb/ops/kinds.hpp"

namespace plumb::inline PLUMB_ABI {

/// Mixture of experts. Parameters grow with `count`, bytes and operations per token only with `used`.
struct MoeConfig {
  int count = 0;                 ///< experts per layer; 0 = dense
  int used = 0;                  ///< experts each token visits
  int ffn_dim = 0;               ///< inner width of one expert
  int shared_ffn_dim = 0;        ///< inner width of the always-active shared expert; 0 = none
  int leading_dense_layers = 0;  ///< first layers that are dense (deepseek2)
  bool shared_gate = false;      ///< a learned scalar gate on the shared expert (qwen2moe): D parameters per layer
  bool router_bias = false;      ///< a bias that steers the choice of experts (deepseek-v3): `count` per layer
  bool sigmoid_scores = false;   ///< expert weights are sigmoids rather than a softmax (deepseek-v3)
  int groups = 0;                ///< experts are chosen within groups (deepseek); 0 = no groups
  int groups_used = 0;           ///< groups each token may visit
  bool renormalise = true;       ///< expert weights of a token sum to 1
  float weight_scale = 1.0f;
};

/// Multi-head latent attention (deepseek2): K and V are stored as one compressed vector per token, so the KV cache
/// holds kv_rank + rope_dims values per token and layer instead of 2 * n_kv_heads * head_dim.
struct MlaConfig {
  int q_rank = 0;     ///< rank of the query compression; 0 = full matrix
  int kv_rank = 0;    ///< rank of the key/value compression; 0 = no MLA
  int rope_dims = 0;  ///< rotated, uncompressed key dimensions shared by all heads
  int nope_dims = 0;  ///< unrotated query/key dimensions per head
  int v_dims = 0;     ///< value dimensions per head
};

/// The configuration of one decoder-only transformer.
struct ModelConfig {
  std::string name;                    ///< for people; empty is fine
  std::string architecture = "llama";  ///< GGUF `general.architecture`: decides the wiring of a layer

  int vocab_size = 0;  ///< V. Embedding V*D parameters (one row read per token); head V*D (all read per token)
  int width = 0;       ///< D, the residual stream. Parameters per layer grow with D^2
  int n_layers = 0;    ///< L. Everything but embedding and head is linear in L
  int n_heads = 0;     ///< H query heads. wq and wo have D * H * head_dim parameters each
  int n_kv_heads = 0;  ///< G key/value heads. KV bytes per token = 2 * L * G * head_dim * element; wk, wv D*G*head_dim
  int head_dim = 0;    ///< d, per head; H*d may differ from D
  int ffn_dim = 0;     ///< F. gate, up and down have D*F parameters each: usually two thirds of a layer
  int context = 0;     ///< longest context the model was trained for; bounds the KV cache

  bool tied_head = false;          ///< the head is the embedding matrix: V*D fewer parameters, the same bytes per token
  bool gated_ffn = true;           ///< down(act(gate) * up) rather than down(act(up)): 3 matrices rather than 2
  bool parallel_residual = false;  ///< attention and FFN both read the same input
  bool qkv_bias = false;           ///< biases of q, k, v (qwen2): (H + 2G) * d parameters per layer
  bool attn_out_bias = false;      ///< bias of wo: D per layer
  bool ffn_bias = false;           ///< biases of the FFN matrices
  bool head_bias = false;          ///< bias of the head: V
  bool qk_norm = false;            ///< RMS norm of every q and k head (qwen3, gemma3): 2d parameters per layer
  bool post_norms = false;         ///< extra norms after attention and FFN (gemma2, gemma3): 2D per layer
  bool learned_positions =
      false;           ///< a table of `context` position vectors (gpt2): context*D parameters, one row read per token
  bool alibi = false;  ///< linear position bias on attention scores instead of rotation

  NormKind norm = NormKind::rms;
  bool norm_bias = false;   ///< D more parameters per norm
  bool norm_weight = true;  ///< false: norms without parameters (olmo)
  float norm_eps = 1e-5f;
  Activation activation = Activation::silu;

  RopeConfig rope;
  float rope_base_local = 0.0f;  ///< base of windowed layers where it differs (gemma3); 0 = same
  bool rope_factors = false;     ///< a `rope_freqs.weight` tensor divides the frequencies (llama 3.1)

  int sliding_window = 0;  ///< positions that windowed layers see; 0 = all. Bounds the KV bytes read per token
  int window_pattern =
      0;  ///< every n-th layer is global, the others windowed; 0 = all layers windowed if sliding_window
  float attn_softcap = 0.0f;  ///< cap * tanh(score / cap); 0 = off
  float logit_softcap = 0.0f;
  float attn_scale = 0.0f;       ///< multiplies q.k; 0 = 1/sqrt(head_dim)
  float embedding_scale = 1.0f;  ///< multiplies the embedding row (gemma: sqrt(D))
  float residual_scale = 1.0f;   ///< multiplies each branch before it is added (granite, minicpm)
  float logit_scale = 1.0f;      ///< multiplies the logits

  MoeConfig moe;
  MlaConfig mla;

  int q_dim() const { return n_heads * head_dim; }
  int kv_dim() const { return n_kv_heads * head_dim; }
  /// Query heads that share one key/value head.
  int group_size() const { return n_heads / n_kv_heads; }
  bool is_moe() const { return moe.count > 0; }
  bool is_mla() const { return mla.kv_rank > 0; }
  bool is_moe_layer(int layer) const { return is_moe() && layer >= moe.leading_dense_layers; }
  /// Whether `layer` sees only the last `sliding_window` positions.
  bool is_windowed(int layer) const {
    if (sliding_window <= 0) return false;
    return window_pattern <= 0 || (layer + 1) % window_pattern != 0;
  }
};

}  // namespace plumb
