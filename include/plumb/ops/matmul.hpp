#pragma once
/// @file
/// y = W x for every weight type: who computes which rows, and in which order the kernels see the operands.
///
/// Each output element belongs to one worker and its sum runs over k in rising order, so results depend neither on the
/// number of threads nor on how a batch is cut. A batch of up to kStreamedRows rows streams the packed weights once; a
/// larger one walks all column tiles over a block of 128 rows x KC of weights, which stays in the worker's L2
/// (quantized weights unpacked to codes and scales).

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/weight_matrix.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/pack.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Panels of one block of weights: 128 rows.
inline constexpr std::int64_t kBlockPanels = 8;
/// k of one block of weights in L2: unpacked codes and scales (18 bytes per k and panel), bf16 (32 bytes), f16 and f32
/// (up to 64 bytes).
inline constexpr std::int64_t kBlockKQuantized = 2048, kBlockKBf16 = 2048, kBlockKFloat = 1024;
constexpr std::int64_t block_depth(ActivationForm form) {
  return form == ActivationForm::int8 ? kBlockKQuantized : form == ActivationForm::bf16 ? kBlockKBf16 : kBlockKFloat;
}

/// Bytes of packed weights that meet one column tile after the other in `direct` products.
inline constexpr std::size_t kStreamedBlockBytes = std::size_t{1} << 18;

/// Memory that each worker needs for products: a block of unpacked weights and, for matrices that are not packed, the
/// panels of that block.
class MatmulScratch {
 public:
  MatmulScratch() = default;
  /// For matrices of up to `max_cols` columns and teams of up to `threads` workers. @throws Error{out_of_memory}.
  MatmulScratch(std::int64_t max_cols, int threads) {
    const auto cols = static_cast<std::size_t>(round_up<std::int64_t>(max_cols, 256));
    panel_offset_ = round_up<std::size_t>(kUnpackedBytes, kAlignment);
    row_offset_ = panel_offset_ + checked_mul<std::size_t>(cols, 64 * kBlockPanels, "matmul scratch");
    stride_ = row_offset_ + checked_mul<std::size_t>(cols, 64, "matmul scratch");
    memory_ = AlignedBuffer(checked_mul(stride_, static_cast<std::size_t>(threads), "matmul scratch"));
  }
  std::byte* unpacked(const Worker& w) { return at(w); }
  std::byte* panels(const Worker& w) { return at(w) + panel_offset_; }
  float* rows(const Worker& w) { return reinterpret_cast<float*>(at(w) + row_offset_); }

 private:
  std::byte* at(const Worker& w) { return memory_.data() + stride_ * static_cast<std::size_t>(w.index); }
  // Largest unpacked block: the step of Q2_K has 2 scales and 2 minimums.
  static constexpr std::size_t kUnpackedBytes = kBlockPanels * kBlockKQuantized / kStepK * (512 + 4 * 64);
  std::size_t panel_offset_ = 0, row_offset_ = 0, stride_ = 0;
  AlignedBuffer memory_;  // per worker: unpacked block, packed block, 16 f32 rows
};

/// One product over shared activations: out[n * out_stride + r] (+)= sum_k W[r, k] x[n, k] (+ bias[r]).
struct MatmulTask {
  const WeightMatrix* weights = nullptr;
  float* out = nullptr;  // [n, out_stride]
  std::int64_t out_stride = 0;
  const float* bias = nullptr;  // [weights->rows], or none
  bool accumulate = false;      ///< add to out instead of replacing it
};

/// What the products of one pass share.
struct MatmulContext {
  const KernelTable* kernels = nullptr;
  MatmulScratch* scratch = nullptr;
  bool exact = false;  ///< f32 activations, whatever the weights
};

/// Rows of W that no two workers share: whole panels, and whole steps of the activations of the next product.
inline constexpr std::int64_t kRowsPerShare = 2 * kPanelRows;

/// Rows of W that a worker computes.
inline Range matmul_rows(const Worker& worker, const WeightMatrix& weights) {
  return worker.share(weights.rows, kRowsPerShare);
}

/// Bytes that `prefetch_product` asks for: what a core reads from memory in about a microsecond.
inline constexpr std::size_t kPrefetchProductBytes = 16384;

/// Asks for the first bytes of some rows of W.
inline void prefetch_rows(const WeightMatrix& w, Range rows) {
  if (!w.packed() || rows.empty()) return;
  const std::size_t stride = panel_bytes(w.type, w.cols);
  const std::byte* const begin = w.panels + static_cast<std::size_t>(rows.begin / kPanelRows) * stride;
  const std::size_t share = static_cast<std::size_t>(ceil_div(rows.size(), kPanelRows)) * stride;
  for (std::size_t at = 0; at < std::min(share, kPrefetchProductBytes); at += 64) __builtin_prefetch(begin + at, 0, 2);
}

/// Asks for the first bytes of W that this worker's next product will stream, so that memory works while workers meet:
/// a product that begins cold waits for its first lines. Call it before the barrier that precedes the product.
inline void prefetch_product(const Worker& worker, const WeightMatrix& w) { prefetch_rows(w, matmul_rows(worker, w)); }

namespace detail {

/// Hands out the panels of a matrix: in place when they are packed, else packed on the way into the worker's scratch
/// (exact products with quantized weights: as f32).
class PanelSource {
 public:
  PanelSource(const MatmulContext& context, const Worker& worker, const WeightMatrix& w)
      : w_(w),
        type_(context.exact && dtype_info(w.type).quantized() ? DType::f32 : w.type),
        stride_(panel_bytes(type_, w.cols)),
        packed_(context.scratch->panels(worker)),
        rows_(context.scratch->rows(worker)) {}

  DType type() const { return type_; }
  std::size_t stride() const { return stride_; }
  bool in_place() const { return w_.packed() && type_ == w_.type; }
  /// The panels of rows [row, row + n), n <= 128 unless in place. Valid until the next call.
  const std::byte* panels(std::int64_t row, std::int64_t n) {
    if (in_place()) return w_.panels + static_cast<std::size_t>(row / kPanelRows) * stride_;
    for (std::int64_t r = 0; r < n; r += kPanelRows)
      pack(row + r, std::min(kPanelRows, n - r), packed_ + static_cast<std::size_t>(r / kPanelRows) * stride_);
    return packed_;
  }

 private:
  void pack(std::int64_t row, std::int64_t n, std::byte* panel) {
    if (type_ == w_.type) return pack_panel(type_, w_.file.row(row), w_.file.row_stride(), n, w_.cols, panel);
    for (std::int64_t r = 0; r < n; ++r) dequantize_row(w_.type, w_.file.row(row + r), rows_ + r * w_.cols, w_.cols);
    pack_panel(type_, reinterpret_cast<const std::byte*>(rows_), static_cast<std::size_t>(w_.cols) * sizeof(float), n,
               w_.cols, panel);
  }

  const WeightMatrix& w_;
  DType type_;
  std::size_t stride_;
  std::byte* packed_;
  float* rows_;
};

/// Rows of W between two column tiles: all of them for a single tile, else what stays in L2 beside the activations.
inline std::int64_t rows_at_once(const PanelSource& source, const Activations& x, Range rows) {
  if (!source.in_place()) return kBlockPanels * kPanelRows;
  if (x.tiles() == 1) return rows.size();
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(kStreamedBlockBytes / source.stride())) * kPanelRows;
}

/// Few rows of activations: one pass over the packed weights, a block of which meets every column tile while it is in
/// L2.
inline void multiply_direct(const MatmulContext& context, const MatmulTask& task, PanelSource& source,
                            const Activations& x, Range rows, bool accumulate) {
  const MatmulKernels& kernels = context.kernels->matmul_for(source.type(), context.exact);
  const std::int64_t at_once = rows_at_once(source, x, rows);
  for (std::int64_t row = rows.begin; row < rows.end; row += at_once) {
    const std::int64_t n = std::min(at_once, rows.end - row);
    const std::byte* const panels = source.panels(row, n);
    for (int t = 0; t < x.tiles(); ++t) {
      const Range columns = x.tile(t);
      kernels.direct[columns.size() - 1]({panels, source.stride(), n, x.prepared_tile(kernels.activations, t, 0),
                                          x.cols, task.out + columns.begin * task.out_stride + row, task.out_stride,
                                          accumulate});
    }
  }
}

/// What multiply_tiled reads after tile t of values [k, k + kc): the next tile, else the first of the next values.
inline const std::byte* tile_after(const Activations& x, ActivationForm form, int t, std::int64_t k, std::int64_t kc) {
  if (t + 1 < x.tiles()) return x.prepared_tile(form, t + 1, k);
  return x.prepared_tile(form, 0, k + kc < x.cols ? k + kc : 0);
}

/// Many rows of activations: a block of weights is unpacked once, where it is quantized, and meets every column tile
/// while it is in L2.
inline void multiply_tiled(const MatmulContext& context, const MatmulTask& task, PanelSource& source,
                           const Activations& x, Range rows, bool accumulate, std::byte* unpacked) {
  const MatmulKernels& kernels = context.kernels->matmul_for(source.type(), context.exact);
  const std::int64_t block_k = block_depth(kernels.activations);
  const std::size_t stride =
      kernels.unpack ? static_cast<std::size_t>(block_k / kStepK) * kernels.unpacked_step_bytes : source.stride();
  for (std::int64_t row = rows.begin; row < rows.end; row += kBlockPanels * kPanelRows) {
    const std::int64_t n = std::min(kBlockPanels * kPanelRows, rows.end - row);
    const std::byte* const panels = source.panels(row, n);
    for (std::int64_t k = 0; k < x.cols; k += block_k) {
      const std::int64_t kc = std::min(block_k, x.cols - k);
      for (std::int64_t p = 0; kernels.unpack && p * kPanelRows < n; ++p)
        kernels.unpack(panels + static_cast<std::size_t>(p) * source.stride(), k, kc,
                       unpacked + static_cast<std::size_t>(p) * stride);
      const std::byte* const block = kernels.unpack ? unpacked : panels + panel_bytes(source.type(), k);
      for (int t = 0; t < x.tiles(); ++t) {
        const Range columns = x.tile(t);
        kernels.tile[columns.size() - 1]({block, stride, n, x.prepared_tile(kernels.activations, t, k), kc,
                                          task.out + columns.begin * task.out_stride + row, task.out_stride,
                                          accumulate || k > 0, tile_after(x, kernels.activations, t, k, kc)});
      }
    }
  }
}

}  // namespace detail

/// Rows [rows.begin, rows.end) of W, which begin at a multiple of 16, over prepared activations (prepare_rows or
/// prepare_tile with the forms of these weights, and a barrier since): those columns of the task's output.
inline void matmul(const Worker& worker, const MatmulContext& context, const MatmulTask& task, const Activations& x,
                   Range rows) {
  if (rows.empty()) return;
  if (task.bias)
    for (std::int64_t n = 0; n < x.rows; ++n)
      for (std::int64_t r = rows.begin; r < rows.end; ++r) {
        float& out = task.out[n * task.out_stride + r];
        out = (task.accumulate ? out : 0.0f) + task.bias[r];
      }
  const bool accumulate = task.accumulate || task.bias != nullptr;
  detail::PanelSource source(context, worker, *task.weights);
  if (x.streamed())
    detail::multiply_direct(context, task, source, x, rows, accumulate);
  else
    detail::multiply_tiled(context, task, source, x, rows, accumulate, context.scratch->unpacked(worker));
}

/// All workers: every task's product. Worker w computes `matmul_rows(w, *task.weights)` of each; no barrier inside.
inline void matmul(const Worker& worker, const MatmulContext& context, std::span<const MatmulTask> tasks,
                   const Activations& x) {
  for (const MatmulTask& task : tasks) matmul(worker, context, task, x, matmul_rows(worker, *task.weights));
}

}  // namespace plumb::ops
