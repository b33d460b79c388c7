#pragma once
/// @file
/// What one operation of a forward pass costs: operations by kind of arithmetic, bytes by kind of memory. Counts are
/// doubles: exact up to 2^53, and a model of 10^12 parameters reading a million tokens cannot wrap them round.

#include <vector>

#include "plumb/blocks/op.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/quant/formats.hpp"

namespace plumb::inline PLUMB_ABI {

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

/// The weights that an operation multiplies with; what a prediction needs to look up a kernel's rate.
struct MatrixWork {
  DType type = DType::f32;
  double rows = 0;    ///< outputs of one matrix; 0 when the operation has no matrix
  double cols = 0;    ///< inputs
  double tokens = 0;  ///< columns multiplied with each matrix (average, for experts)
  double count = 1;   ///< matrices of this shape: experts that are touched
};

/// The shape of attention; what a prediction needs to look up its time.
struct AttentionWork {
  DType kv = DType::f16;
  double head_dim = 0;
  double kv_heads = 0;  ///< 0 when the operation is none; of a latent cache the groups of heads that share its vectors
  double group = 1;     ///< query heads to a KV head
  double rows_per_sequence = 1;
  double scores = 0;  ///< (row, position) pairs, all sequences
};

/// One operation of one layer.
struct OpWork {
  Op op;
  int layer = -1;
  Operations operations;
  Traffic bytes;
  MatrixWork matrix = {};
  AttentionWork attention = {};

  /// f32 values that it takes in, or puts out where it takes none.
  double values() const { return (bytes.activation_read > 0 ? bytes.activation_read : bytes.activation_write) / 4; }
  /// What its time grows with from row to row, where it is no product: operations of a recurrence, else values.
  double elements(double rows) const { return (op == Op::recurrence ? operations.f32 : values()) / rows; }
  /// Operations per byte moved.
  double intensity() const { return bytes.total() > 0 ? operations.total() / bytes.total() : 0; }
};

/// Bytes of `rows` rows of `cols` values of `type`, codes and scales apart. Rows fill whole blocks.
constexpr Traffic weight_traffic(DType type, double rows, double cols) {
  const DTypeInfo& info = dtype_info(type);
  const double blocks = rows * cols / info.block_elements,
               in_blocks = blocks * static_cast<double>(scale_bytes_per_block(type));
  Traffic bytes;
  bytes.weight_scales = in_blocks + rows * info.row_scale_bytes;
  bytes.weight_payload = blocks * info.block_bytes - in_blocks;
  return bytes;
}

/// The work of one pass (or of several, added up), operation by operation.
struct Ledger {
  std::vector<OpWork> ops;
  double rows = 0;      ///< rows of the pass
  double barriers = 0;  ///< times that all workers wait for each other

  Operations operations() const {
    Operations sum;
    for (const OpWork& work : ops) sum += work.operations;
    return sum;
  }
  Traffic bytes() const {
    Traffic sum;
    for (const OpWork& work : ops) sum += work.bytes;
    return sum;
  }
  /// The same operation of all layers added up. Shapes of the first layer that has it.
  OpWork sum_of(Op op) const {
    OpWork sum{op, -1, {}, {}, {}};
    for (const OpWork& work : ops) {
      if (work.op != op) continue;
      if (sum.matrix.rows == 0) sum.matrix = work.matrix;
      sum.operations += work.operations;
      sum.bytes += work.bytes;
    }
    return sum;
  }
};

}  // namespace plumb
