#pragma once
/// @file
/// Activations in the form that products read: cut into column tiles of up to 16 rows of the batch, as int8 with a
/// scale per 32 (for quantized weights) or as f32 with the rows of the tile side by side (for float weights).

#include <cstdint>
#include <initializer_list>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/weight_matrix.hpp"

namespace plumb::ops {

/// Which forms of one set of activations the products want.
struct ActivationForms {
  bool int8 = false;
  bool f32 = false;

  /// The forms that products with `weights` want. `exact` keeps every activation in f32.
  static ActivationForms of(std::initializer_list<const WeightMatrix*> weights, bool exact) {
    ActivationForms forms;
    for (const WeightMatrix* w : weights) {
      if (w->empty()) continue;
      const bool int8 = uses_int8_activations(w->type) && !exact;
      forms.int8 = forms.int8 || int8;
      forms.f32 = forms.f32 || !int8;
    }
    return forms;
  }
};

/// Memory for the prepared forms of up to max_rows rows of up to max_cols values.
class ActivationBuffer {
 public:
  ActivationBuffer() = default;
  /// @throws Error{overflow, out_of_memory}.
  ActivationBuffer(std::int64_t max_rows, std::int64_t max_cols) {
    const auto values = static_cast<std::size_t>(checked_mul(max_rows, round_up(max_cols, kStepK), "activations"));
    int8_ = AlignedBuffer(checked_mul<std::size_t>(values, ActivationStep::bytes(1), "activations") / kStepK);
    f32_ = AlignedBuffer(checked_mul(values, sizeof(float), "activations"));
  }
  std::byte* int8() { return int8_.data(); }
  std::byte* f32() { return f32_.data(); }
  std::size_t bytes() const { return int8_.size() + f32_.size(); }

 private:
  AlignedBuffer int8_;  // column tiles of ActivationStep steps
  AlignedBuffer f32_;   // column tiles [cols][rows of the tile]
};

/// Input rows of a product: values[n * stride + k], n < rows, k < cols, and where their prepared forms lie.
struct Activations {
  const float* values = nullptr;  // [rows, stride]
  std::int64_t rows = 0, cols = 0, stride = 0;
  ActivationBuffer* prepared = nullptr;

  /// Column tiles: as few as 16 columns each allow, of nearly equal width, so that no tail is much slower than the
  /// rest.
  int tiles() const { return static_cast<int>(ceil_div<std::int64_t>(rows, kTileCols)); }
  /// Rows of the batch that tile t holds.
  Range tile(int t) const { return split_range(rows, t, tiles()); }
  /// The int8 form of tile t from value k on (a multiple of 32).
  std::byte* int8_tile(int t, std::int64_t k) const {
    const Range r = tile(t);
    return prepared->int8() + ActivationStep::bytes(1) * (cols / kStepK * r.begin + k / kStepK * r.size());
  }
  /// The f32 form of tile t from value k on.
  std::byte* f32_tile(int t, std::int64_t k) const {
    const Range r = tile(t);
    return prepared->f32() + static_cast<std::int64_t>(sizeof(float)) * (cols * r.begin + k * r.size());
  }
};

/// Rows that worker prepares in prepare_rows: whole tiles.
inline Range activation_rows(const Worker& worker, const Activations& x) {
  const Range tiles = worker.share(x.tiles());
  if (tiles.empty()) return {};
  return {x.tile(static_cast<int>(tiles.begin)).begin, x.tile(static_cast<int>(tiles.end - 1)).end};
}

namespace detail {

/// Values [k.begin, k.end) of tile t in the wanted forms. k.begin is a multiple of 32; so is k.end, or it is the end.
inline void prepare_tile(const KernelTable& kernels, const Activations& x, ActivationForms forms, int t, Range k) {
  const Range rows = x.tile(t);
  const float* const values = x.values + rows.begin * x.stride;
  if (forms.int8)
    kernels.quantize_activations(values + k.begin, x.stride, rows.size(), k.size(), x.int8_tile(t, k.begin));
  if (forms.f32) {
    float* out = reinterpret_cast<float*>(x.f32_tile(t, k.begin));
    for (std::int64_t i = k.begin; i < k.end; ++i)
      for (std::int64_t c = 0; c < rows.size(); ++c) *out++ = values[c * x.stride + i];
  }
}

}  // namespace detail

/// Prepares this worker's activation_rows. All workers; a barrier must follow before the products.
inline void prepare_rows(const Worker& worker, const KernelTable& kernels, const Activations& x,
                         ActivationForms forms) {
  const Range tiles = worker.share(x.tiles());
  for (std::int64_t t = tiles.begin; t < tiles.end; ++t)
    detail::prepare_tile(kernels, x, forms, static_cast<int>(t), {0, x.cols});
}

/// Prepares values [k.begin, k.end) of every row: for a worker that has just computed these. A barrier must follow.
inline void prepare_columns(const KernelTable& kernels, const Activations& x, ActivationForms forms, Range k) {
  if (k.empty()) return;
  for (int t = 0; t < x.tiles(); ++t) detail::prepare_tile(kernels, x, forms, t, k);
}

}  // namespace plumb::ops
