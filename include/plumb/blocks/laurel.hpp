#pragma once
/// @file
/// Learned augmented residual (Menghani et al. 2024, LAuReL-LR): a low-rank branch beside the mixer. With h the normed
/// input of the mixer, x the stream after the mixer's output has been added, r the rank:
///
///     x = (x + h + norm(up (down h))) / sqrt(2)
///
/// How it is run: laurel_run.hpp.

#include "plumb/blocks/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct LaurelSpec {
  int rank = 0;  ///< r: 2 * D * r parameters
  NormSpec norm = {};

  bool operator==(const LaurelSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct LaurelWeights {
  Linear down;       // [r, D]
  Linear up;         // [D, r]
  NormWeights norm;  // [D]
};

inline void laurel_tensors(const LaurelSpec& spec, int width, LaurelWeights& w, const TensorList& list) {
  list.matrix(TensorRole::laurel_down, w.down, spec.rank, width);
  list.matrix(TensorRole::laurel_up, w.up, width, spec.rank);
  norm_tensors(spec.norm, TensorRole::laurel_norm, Shape{width}, w.norm, list);
}

// -- state: none ------------------------------------------------------------------------------------------------------
// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per element of the sum: two additions and a scale.
inline constexpr double kLaurelSum = 3;

inline void laurel_work(const LaurelSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows();
  writer.matmul(Op::laurel, TensorRole::laurel_down, spec.rank, width, rows);  // on the mixer's prepared input
  writer.meet_prepared(rows);
  writer.meet(2);
  writer.quantize_for(TensorRole::laurel_up, width, spec.rank, rows);
  writer.matmul(Op::laurel, TensorRole::laurel_up, width, spec.rank, rows);
  norm_work(spec.norm, Op::attn_norm, rows, width, writer);
  OpWork& sum = writer.add(Op::attn_norm);
  sum.operations.f32 = rows * width * kLaurelSum;
  sum.bytes.activation_read = 3 * rows * width * WorkWriter::kFloat;
  sum.bytes.activation_write = rows * width * WorkWriter::kFloat;
}

// -- run (laurel_run.hpp) ---------------------------------------------------------------------------------------------

inline void laurel_scratch(const LaurelSpec& spec, ScratchSizes& sizes) {
  sizes.laurel = std::max(sizes.laurel, spec.rank);
  sizes.branches = std::max(sizes.branches, 1);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

inline void laurel_check(const LaurelSpec& spec, const SpecChecker& check) {
  check.in_range("laurel.rank", spec.rank, 1, SpecLimits::kFfn);
  norm_check(spec.norm, "laurel.norm", check);
}

}  // namespace plumb
