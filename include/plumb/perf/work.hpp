#pragma once
/// @file
/// What one operation of a forward pass costs: operations by kind of arithmetic, bytes by kind of memory. Counts are
/// doubles: exact up to 2^53, and a model of 10^12 parameters reading a million tokens cannot wrap them round.

#include <string_view>

#include "plumb/core/dtype.hpp"
#include "plumb/model/tensor_list.hpp"

namespace plumb {

/// Arithmetic by the unit that does it. A multiply-add is two operations.
struct Operations {
  double f32 = 0;     ///< multiplies, adds, exponentials, ... in f32
  double bf16 = 0;    ///< multiplies and adds of bf16 dot products
  double int8 = 0;    ///< multiplies and adds of int8 dot products
  double unpack = 0;  ///< stored values turned into what the arithmetic takes: one per value

  double total() const { return f32 + bf16 + int8; }
  Operations& operator+=(const Operations& other) {
    f32 += other.f32;
    bf16 += other.bf16;
    int8 += other.int8;
    unpack += other.unpack;
    return *this;
  }
  bool operator==(const Operations&) const = default;
};

/// Bytes by what they are. Each byte that an operation touches counts once per pass.
struct Traffic {
  double weight_payload = 0;  ///< quantized codes, or floats
  double weight_scales = 0;   ///< scales and minimums beside the codes
  double kv_read = 0;         ///< keys and values
  double kv_write = 0;
  double activation_read = 0;
  double activation_write = 0;

  double weights() const { return weight_payload + weight_scales; }
  double total() const { return weights() + kv_read + kv_write + activation_read + activation_write; }
  Traffic& operator+=(const Traffic& other) {
    weight_payload += other.weight_payload;
    weight_scales += other.weight_scales;
    kv_read += other.kv_read;
    kv_write += other.kv_write;
    activation_read += other.activation_read;
    activation_write += other.activation_write;
    return *this;
  }
  bool operator==(const Traffic&) const = default;
};

/// The operations that a pass is made of, in the order in which tables show them.
enum class Op {
  embedding,   ///< one row of the table per token
  attn_norm,   ///< norm before attention
  q,           ///< query projection (both steps of a compressed one)
  k,           ///< key projection; MLA: the compressed key and value
  v,           ///< value projection
  rope,        ///< norms and rotation of heads, and the write to the KV cache
  attention,   ///< scores, softmax, weighted values; MLA: with the absorbed projections
  attn_out,    ///< output projection
  ffn_norm,    ///< norm before the feed-forward block
  router,      ///< expert scores
  gate,        ///< gate projection; experts and shared experts too
  up,          ///< up projection
  activation,  ///< act(gate) * up
  down,        ///< down projection
  quantize,    ///< activations to int8 for the products that follow
  head_norm,   ///< norm before the head
  head,        ///< logits of the rows that ask for them
};

inline constexpr Op kAllOps[] = {Op::embedding,  Op::attn_norm, Op::q,        Op::k,         Op::v,    Op::rope,
                                 Op::attention,  Op::attn_out,  Op::ffn_norm, Op::router,    Op::gate, Op::up,
                                 Op::activation, Op::down,      Op::quantize, Op::head_norm, Op::head};

/// Short lower-case name for tables.
constexpr std::string_view op_name(Op op) {
  switch (op) {
    case Op::embedding: return "embedding";
    case Op::attn_norm: return "attn_norm";
    case Op::q: return "q";
    case Op::k: return "k";
    case Op::v: return "v";
    case Op::rope: return "rope";
    case Op::attention: return "attention";
    case Op::attn_out: return "attn_out";
    case Op::ffn_norm: return "ffn_norm";
    case Op::router: return "router";
    case Op::gate: return "gate";
    case Op::up: return "up";
    case Op::activation: return "activation";
    case Op::down: return "down";
    case Op::quantize: return "quantize";
    case Op::head_norm: return "head_norm";
    case Op::head: return "head";
  }
  return "unknown";
}

/// The weights that an operation multiplies with; what a prediction needs to look up a kernel's rate.
struct MatrixWork {
  DType type = DType::f32;
  double rows = 0;    ///< outputs of one matrix; 0 when the operation has no matrix
  double cols = 0;    ///< inputs
  double tokens = 0;  ///< columns multiplied with each matrix (average, for experts)
  double count = 1;   ///< matrices of this shape: experts that are touched
};

/// One operation of one layer.
struct OpWork {
  Op op;
  int layer = -1;
  Operations operations;
  Traffic bytes;
  MatrixWork matrix;

  /// Operations per byte moved.
  double intensity() const { return bytes.total() > 0 ? operations.total() / bytes.total() : 0; }
};

/// Bytes of one block of `type` that are scales or minimums rather than codes (GGUF block layouts).
constexpr double scale_bytes_per_block(DType type) {
  switch (type) {
    case DType::q4_0:
    case DType::q5_0:
    case DType::q8_0:
    case DType::iq4_nl: return 2;  // f16 scale
    case DType::q4_1:
    case DType::q5_1: return 4;   // f16 scale and minimum
    case DType::q2_k: return 20;  // 16 packed scales and minimums, f16 pair above them
    case DType::q3_k: return 14;  // 12 packed scales, f16
    case DType::q4_k:
    case DType::q5_k: return 16;   // 12 packed scales and minimums, f16 pair
    case DType::q6_k: return 18;   // 16 int8 scales, f16
    case DType::iq4_xs: return 8;  // 6 packed scales, f16
    case DType::mxfp4: return 1;   // e8m0 exponent
    default: return 0;             // floats, and types that are not computed
  }
}

/// Bytes of `elements` values of `type`, codes and scales apart. Elements fill whole blocks.
constexpr Traffic weight_traffic(DType type, double elements) {
  const DTypeInfo& info = dtype_info(type);
  const double blocks = elements / info.block_elements;
  Traffic bytes;
  bytes.weight_scales = blocks * scale_bytes_per_block(type);
  bytes.weight_payload = blocks * info.block_bytes - bytes.weight_scales;
  return bytes;
}

}  // namespace plumb
