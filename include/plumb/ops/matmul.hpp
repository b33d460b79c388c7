#pragma once
/// @file
/// y = W x for every weight type: the portable form. A weight row is turned into f32 once and meets every activation
/// row of the batch. Each output element belongs to one worker and its sum runs over k in a fixed order, so results do
/// not depend on the number of threads or on how a batch is cut.

#include <array>
#include <cstdint>
#include <span>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::ops {

/// A weight matrix W [rows, cols] that maps cols inputs to rows outputs.
struct WeightMatrix {
  DType type = DType::f32;
  std::int64_t rows = 0;  ///< outputs
  std::int64_t cols = 0;  ///< inputs
  ConstTensorView file;   ///< [rows, cols], as stored

  bool empty() const { return rows == 0; }
  /// Bytes that one product with this matrix reads.
  std::size_t bytes() const { return empty() ? 0 : file.bytes(); }
};

/// A matrix as a file or a caller stores it: [..., rows, cols] with the outer dimensions folded into rows.
inline WeightMatrix make_weight_matrix(const ConstTensorView& view) {
  return {view.dtype(), view.rows(), view.cols(), view};
}

/// Memory that products of one session need beside their operands: one f32 weight row per worker.
class MatmulScratch {
 public:
  MatmulScratch() = default;
  /// For matrices of up to `max_cols` columns and teams of up to `threads` workers. @throws Error{out_of_memory}.
  MatmulScratch(std::int64_t max_cols, int threads)
      : stride_(round_up<std::int64_t>(max_cols, 16)),
        rows_(checked_mul(static_cast<std::size_t>(stride_) * sizeof(float), static_cast<std::size_t>(threads),
                          "matmul scratch")) {}
  float* weight_row(const Worker& worker) { return rows_.as<float>() + stride_ * worker.index; }

 private:
  std::int64_t stride_ = 0;
  AlignedBuffer rows_;  // [threads, stride_]
};

/// Input rows of a product: values[n * stride + k], n < rows, k < cols.
struct Activations {
  const float* values = nullptr;  // [rows, stride]
  std::int64_t rows = 0, cols = 0, stride = 0;
  MatmulScratch* scratch = nullptr;
  bool exact = false;  ///< keep f32: never quantize the activations
};

/// One product over shared activations: out[n * out_stride + r] (+)= sum_k W[r, k] x[n, k] (+ bias[r]).
struct MatmulTask {
  const WeightMatrix* weights = nullptr;
  float* out = nullptr;  // [n, out_stride]
  std::int64_t out_stride = 0;
  const float* bias = nullptr;  // [weights->rows], or none
  bool accumulate = false;      ///< add to out instead of replacing it
};

/// Phase A, all workers: turns rows of activations into what the products of this width want. The caller puts a barrier
/// between this and the products. Worker w prepares `w.share(activations.rows)`, so that a phase that wrote the same
/// share needs no barrier before. (The portable products read the f32 rows as they are.)
inline void prepare(const Worker&, const Activations&) {}

namespace detail {

inline constexpr int kLanes = 16;

/// Sum of the lanes as a balanced tree.
inline float sum_lanes(std::array<float, kLanes>& lanes) {
  for (std::size_t width = kLanes / 2; width > 0; width /= 2)
    for (std::size_t i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

/// sum a[i] * b[i] in 16 independent partial sums: element i belongs to lane i % 16, whatever n is.
inline float dot(const float* a, const float* b, std::int64_t n) {
  std::array<float, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) lanes[static_cast<std::size_t>(j)] += a[i + j] * b[i + j];
  for (int j = 0; i < n; ++i, ++j) lanes[static_cast<std::size_t>(j)] += a[i] * b[i];
  return sum_lanes(lanes);
}

/// Row r of W as f32: in place when the file stores f32, else dequantized into `scratch`.
inline const float* weight_row(const WeightMatrix& w, std::int64_t r, float* scratch) {
  const std::byte* bytes = w.file.row(r);
  if (w.type == DType::f32) return reinterpret_cast<const float*>(bytes);
  dequantize_row(w.type, bytes, scratch, w.cols);
  return scratch;
}

}  // namespace detail

/// Rows of `weights` that a worker computes: cut at multiples of 16 outputs, so that tasks with equally many rows (gate
/// and up) are cut at the same places.
inline Range matmul_rows(const Worker& worker, const WeightMatrix& weights) { return worker.share(weights.rows, 16); }

/// Phase B, all workers: every task's product. Worker w writes the columns `matmul_rows(w, *task.weights)` of each
/// task's output; no barrier inside.
inline void matmul(const Worker& worker, std::span<const MatmulTask> tasks, const Activations& x) {
  float* const scratch = x.scratch->weight_row(worker);
  for (const MatmulTask& task : tasks) {
    const Range rows = matmul_rows(worker, *task.weights);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      const float* const w = detail::weight_row(*task.weights, r, scratch);
      const float bias = task.bias ? task.bias[r] : 0.0f;
      for (std::int64_t n = 0; n < x.rows; ++n) {
        float& out = task.out[n * task.out_stride + r];
        const float y = detail::dot(w, x.values + n * x.stride, x.cols) + bias;
        out = task.accumulate ? out + y : y;
      }
    }
  }
}

}  // namespace plumb::ops
