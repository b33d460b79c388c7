#pragma once
/// @file
/// Normalisation of the rows of the stream, of heads, of compressed vectors.

#include "plumb/blocks/check.hpp"
#include "plumb/blocks/tensors.hpp"
#include "plumb/blocks/work_writer.hpp"
#include "plumb/ops/kinds.hpp"
#include "plumb/ops/norm.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

/// One norm. Parameters: its width, twice that with a bias.
struct NormSpec {
  NormKind kind = NormKind::rms;
  bool weight = true;  ///< false: a norm without parameters (olmo)
  bool bias = false;
  float eps = 1e-5f;

  bool operator==(const NormSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct NormWeights {
  Vector weight, bias;  // [width], or empty
};

inline void norm_tensors(const NormSpec& spec, TensorRole role, const Shape& shape, NormWeights& w,
                         const TensorList& list) {
  if (spec.weight) list.vector(role, w.weight, shape);
  if (spec.bias) list.bias(role, w.bias, shape);
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Operations per element of a norm.
constexpr double norm_cost(const NormSpec& spec) {
  if (spec.kind == NormKind::layer) return ElementCost::kLayerNorm;
  return ElementCost::kRmsNorm + (spec.bias ? ElementCost::kAdd : 0);
}
/// Bytes of its parameters.
constexpr double norm_bytes(const NormSpec& spec, double width) {
  return width * sizeof(float) * ((spec.weight ? 1 : 0) + (spec.bias ? 1 : 0));
}

inline void norm_work(const NormSpec& spec, Op op, double rows, double width, WorkWriter& writer) {
  OpWork& work = writer.add(op);
  work.operations.f32 = rows * width * norm_cost(spec);
  work.bytes.weight_payload = norm_bytes(spec, width);
  work.bytes.activation_read = work.bytes.activation_write = rows * width * sizeof(float);
}

// -- run --------------------------------------------------------------------------------------------------------------

/// y = norm(x) of n values; y may be x. `offset`: of the weights, for norms that are a row of a table.
inline void norm_row(const KernelTable& kernels, const NormSpec& spec, const NormWeights& w, const float* x, float* y,
                     std::int64_t n, std::int64_t offset = 0) {
  const float* const weight = w.weight.empty() ? nullptr : w.weight.data() + offset;
  if (spec.kind == NormKind::rms && w.bias.empty()) {
    ops::rms_norm(kernels, x, weight, spec.eps, y, n);
    return;
  }
  const float* const bias = w.bias.empty() ? nullptr : w.bias.data() + offset;
  if (spec.kind == NormKind::layer) {
    ops::layer_norm(kernels, x, weight, bias, spec.eps, y, n);
    return;
  }
  ops::rms_norm(kernels, x, weight, spec.eps, y, n);
  for (std::int64_t i = 0; i < n; ++i) y[i] += bias[i];
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value}. A norm that is run needs an epsilon above zero.
inline void norm_check(const NormSpec& spec, std::string_view field, const SpecChecker& check) {
  check.finite(std::string(field) + ".eps", spec.eps, false);
}

}  // namespace plumb
