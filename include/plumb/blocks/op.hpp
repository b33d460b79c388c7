#pragma once
/// @file
/// The operations of a forward pass by name: what a trace books time on and what the ledger counts.

#include <string_view>

#include "plumb/core/trace.hpp"

namespace plumb::inline PLUMB_ABI {

/// The operations that a pass is made of, in the order in which tables show them.
enum class Op {
  embedding,    ///< one row of the table per token
  attn_norm,    ///< norm before attention
  q,            ///< query projection (both steps of a compressed one; MLA: and what it absorbs of the keys')
  k,            ///< key projection; MLA: the compressed key and value
  v,            ///< value projection; MLA: of weighted values
  mix_in,       ///< input projections of mixers that remember by recurrence
  convolution,  ///< their convolutions over the last positions, and what is done to each output
  recurrence,   ///< their states: what is forgotten, written, read
  rope,         ///< norms and rotation of heads, and the write to the KV cache
  index,        ///< an indexer's scores and the choice of positions
  attention,    ///< scores, softmax, weighted values
  attn_out,     ///< output projection
  laurel,       ///< low-rank branch beside the mixer
  ffn_norm,     ///< norm before the feed-forward block
  router,       ///< expert scores
  gate,         ///< gate projection; experts and shared experts too
  up,           ///< up projection
  activation,   ///< act(gate) * up
  down,         ///< down projection
  per_layer,    ///< gates and projections of the per-layer embedding
  altup,        ///< several streams: their coefficients, prediction, correction, and the projections of the others
  quantize,     ///< activations to int8 for the products that follow
  head_norm,    ///< norm before the head
  head,         ///< logits of the rows that ask for them
  sampling,     ///< the choice of a token, after the pass
};

inline constexpr Op kAllOps[] = {Op::embedding, Op::attn_norm,   Op::q,          Op::k,        Op::v,
                                 Op::mix_in,    Op::convolution, Op::recurrence, Op::rope,     Op::index,
                                 Op::attention, Op::attn_out,    Op::laurel,     Op::ffn_norm, Op::router,
                                 Op::gate,      Op::up,          Op::activation, Op::down,     Op::per_layer,
                                 Op::altup,     Op::quantize,    Op::head_norm,  Op::head,     Op::sampling};

/// Short lower-case name for tables.
constexpr std::string_view op_name(Op op) {
  switch (op) {
    case Op::embedding: return "embedding";
    case Op::attn_norm: return "attn_norm";
    case Op::q: return "q";
    case Op::k: return "k";
    case Op::v: return "v";
    case Op::mix_in: return "mix_in";
    case Op::convolution: return "convolution";
    case Op::recurrence: return "recurrence";
    case Op::rope: return "rope";
    case Op::index: return "index";
    case Op::attention: return "attention";
    case Op::attn_out: return "attn_out";
    case Op::laurel: return "laurel";
    case Op::ffn_norm: return "ffn_norm";
    case Op::router: return "router";
    case Op::gate: return "gate";
    case Op::up: return "up";
    case Op::activation: return "activation";
    case Op::down: return "down";
    case Op::per_layer: return "per_layer";
    case Op::altup: return "altup";
    case Op::quantize: return "quantize";
    case Op::head_norm: return "head_norm";
    case Op::head: return "head";
    case Op::sampling: return "sampling";
  }
  return "unknown";
}
static_assert(static_cast<int>(Op::sampling) < TraceLane::kPhases);

}  // namespace plumb
