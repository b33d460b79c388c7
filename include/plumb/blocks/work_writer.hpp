#pragma once
/// @file
/// What blocks write their work with: products, quantization of activations, and the costs of the rest per element.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "plumb/blocks/pass_options.hpp"
#include "plumb/blocks/scratch_sizes.hpp"
#include "plumb/blocks/work.hpp"
#include "plumb/ops/activations.hpp"

namespace plumb::inline PLUMB_ABI {

/// Operations per element, where the arithmetic is not a product. An exponential or a division counts as one.
struct ElementCost {
  static constexpr double kRmsNorm = 4;       ///< square, add; scale, weight
  static constexpr double kLayerNorm = 7;     ///< add; subtract, square, add; scale, weight, bias
  static constexpr double kRope = 3;          ///< of each rotated element: two multiplies and an add
  static constexpr double kSoftmax = 4;       ///< of each score: scale, subtract the maximum, exponential, add
  static constexpr double kSoftcap = 3;       ///< divide, tanh, multiply
  static constexpr double kAlibi = 2;         ///< of each score: multiply by the slope, add
  static constexpr double kClip = 2;          ///< minimum, maximum
  static constexpr double kGated = 5;         ///< negate, exponential, add, divide; multiply by up
  static constexpr double kPlain = 4;         ///< the same without the gate
  static constexpr double kClipped = 6;       ///< what clipped_swiglu adds: minimum, multiply; clamp, add, multiply
  static constexpr double kLimited = 4;       ///< what a limit adds to silu without a gate: minimum; clamp, multiply
  static constexpr double kXielu = 9;         ///< square, multiply; minimum, expm1, subtract, multiply; multiply, add
  static constexpr double kLength = 3;        ///< of a vector brought to length 1: square, add; scale
  static constexpr double kSoftplus = 4;      ///< add, exponential, logarithm, add
  static constexpr double kScan = 5;          ///< of each number of a state: keep; multiply, add; multiply, add
  static constexpr double kScanChannels = 7;  ///< the same with a rate of its own: multiply, exponential
  static constexpr double kDecay = 6;         ///< add, exponential, logarithm, add; multiply, exponential
  static constexpr double kQuantize = 3;      ///< magnitude, multiply, round
  static constexpr double kAdd = 1;           ///< bias, scale
  static constexpr double kIndex = 3;         ///< of each product of an indexer's head: maximum with 0, weight, add
  static constexpr double kChoose = 1;        ///< of each score among which a choice is made: compare
  static constexpr double kResidual = 2;      ///< what waited in a buffer: scale, add
};

/// The ledger of a pass while it is written, layer by layer, in the order of the forward pass.
class WorkWriter {
 public:
  static constexpr double kFloat = 4;  ///< bytes of an activation

  explicit WorkWriter(const PassOptions& pass) : pass_(pass), rows_(pass.rows()) {}

  const PassOptions& pass() const { return pass_; }
  /// Rows of the pass.
  double rows() const { return rows_; }
  /// The layer that the operations to come belong to; -1: none.
  void set_layer(int layer) { layer_ = layer; }
  Ledger take() { return {std::move(ops_), rows_, barriers_}; }

  /// All workers wait for each other `times` times.
  void meet(int times) { barriers_ += times; }
  /// The same before products with rows that workers have prepared for each other: more than a few.
  void meet_prepared(double rows) { barriers_ += rows > kOwnRows ? 1 : 0; }

  /// The input of the next block has been prepared for another one already: it is not quantized once more.
  void share_input() { input_ready_ = true; }
  /// A new operation, to be filled in.
  OpWork& add(Op op) {
    ops_.push_back(OpWork{op, layer_, {}, {}, {}});
    return ops_.back();
  }
  /// The type of a tensor of the layer.
  DType type_of(TensorRole role, double rows, double cols) const {
    const Shape shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols)};
    return pass_.weights.of({{role, layer_, false}, shape});
  }
  /// Whether products with weights of this type take int8 activations.
  bool quantizes(DType type) const { return dtype_info(type).quantized() && !pass_.exact; }

  /// y = W x for `tokens` columns and each of `count` matrices [rows, cols].
  void matmul(Op op, TensorRole role, double rows, double cols, double tokens, double count = 1, bool bias = false) {
    OpWork& work = add(op);
    const DType type = type_of(role, rows, cols);
    const double macs = rows * cols * tokens * count;
    const bool bf16_dot = type == DType::bf16 && pass_.bf16_dot && !pass_.exact && op != Op::head;
    work.matrix = {type, rows, cols, tokens, count};
    (quantizes(type) ? work.operations.int8 : bf16_dot ? work.operations.bf16 : work.operations.f32) = 2 * macs;
    // Each column tile of a batch that streams packed weights unpacks them anew, in registers; so does every tile that
    // meets float weights.
    const double unpackings = tokens <= ops::kStreamedRows   ? std::ceil(tokens / kDirectCols)
                              : dtype_info(type).quantized() ? 1
                                                             : std::ceil(tokens / kTileCols);
    if (type != DType::f32 && !bf16_dot) work.operations.unpack = rows * cols * count * unpackings;
    work.bytes = weight_traffic(type, rows * count, cols);
    if (bias) {
      work.bytes.weight_payload += rows * count * kFloat;
      work.operations.f32 += rows * tokens * count * ElementCost::kAdd;
    }
    work.bytes.activation_read = tokens * count * cols * kFloat;
    work.bytes.activation_write = tokens * count * rows * kFloat;
  }

  /// Activations into the form that products read: int8 with a scale per 32 values where the weights are quantized,
  /// else f32 with the rows of a column tile side by side, which is a copy and no arithmetic.
  void quantize(DType type, double rows, double cols) {
    if (std::exchange(input_ready_, false)) return;
    OpWork& work = add(Op::quantize);
    work.matrix.type = type;  // rows and cols stay 0: no product
    work.bytes.activation_read = rows * cols * kFloat;
    work.bytes.activation_write = rows * cols * kFloat;
    if (!quantizes(type)) return;
    work.operations.f32 = rows * cols * ElementCost::kQuantize;
    work.bytes.activation_write = rows * cols * dtype_info(DType::q8_0).bits_per_weight() / 8;
  }
  /// The input [rows, cols] of a product with the tensor [out, cols] of this role.
  void quantize_for(TensorRole role, double out, double cols, double rows) {
    quantize(type_of(role, out, cols), rows, cols);
  }

 private:
  const PassOptions& pass_;
  double rows_;
  int layer_ = -1;
  std::vector<OpWork> ops_;
  double barriers_ = 0;
  bool input_ready_ = false;
};

}  // namespace plumb
