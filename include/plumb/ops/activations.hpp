#pragma once
/// @file
/// Activations in the form that products read: cut into column tiles of up to 16 rows of the batch, as int8 with a
/// scale per 32 (for quantized weights), or with the rows of the tile side by side as f32 (for float weights) or as
/// pairs of bf16 (for BF16 weights where the tier multiplies these).

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "plumb/core/half.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/weight_matrix.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Batches of up to so many rows are computed by `direct` kernels, eight columns at a time; beyond, unpacking the
/// weights to memory pays. Measured on two cores of Zen 5, tokens a second of 1.1B models in batches of 49, 56, 64
/// streamed against unpacked: Q4_0 437, 478, 481 against 411, 462, 477; Q4_K_M 411, 419, 424 against 411, 429, 435; F16
/// 163, 152, 159 against 169, 160, 162.
inline constexpr std::int64_t kStreamedRows = 64;

/// Which forms of one set of activations the products want.
struct ActivationForms {
  bool f32 = false;
  bool bf16 = false;
  bool int8 = false;

  /// The forms that products with `weights` want. `exact` keeps every activation in f32.
  static ActivationForms of(const KernelTable& kernels, std::initializer_list<const WeightMatrix*> weights,
                            bool exact) {
    ActivationForms forms;
    for (const WeightMatrix* w : weights) {
      if (w->empty()) continue;
      const ActivationForm form = exact ? ActivationForm::f32 : kernels.matmul_for(w->type).activations;
      forms |= {form == ActivationForm::f32, form == ActivationForm::bf16, form == ActivationForm::int8};
    }
    return forms;
  }
  ActivationForms& operator|=(const ActivationForms& other) {
    f32 = f32 || other.f32;
    bf16 = bf16 || other.bf16;
    int8 = int8 || other.int8;
    return *this;
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
    bf16_ = AlignedBuffer(checked_mul(values, sizeof(BFloat16), "activations"));
  }
  std::byte* int8() { return int8_.data(); }
  std::byte* f32() { return f32_.data(); }
  std::byte* bf16() { return bf16_.data(); }
  std::size_t bytes() const { return int8_.size() + f32_.size() + bf16_.size(); }

 private:
  AlignedBuffer int8_;  // column tiles of ActivationStep steps
  AlignedBuffer f32_;   // column tiles [cols][rows of the tile]
  AlignedBuffer bf16_;  // column tiles [cols / 2][rows of the tile] of pairs
};

/// Input rows of a product: values[n * stride + k], n < rows, k < cols, and where their prepared forms lie.
struct Activations {
  const float* values = nullptr;  // [rows, stride]
  std::int64_t rows = 0, cols = 0, stride = 0;
  ActivationBuffer* prepared = nullptr;
  std::int64_t first = 0;  ///< row of the buffer where these begin: several sets may share one

  /// Whether products stream the packed weights and unpack them in registers, rather than to memory for many columns.
  bool streamed() const { return rows <= kStreamedRows; }
  /// Parts of up to 8 columns, the width of a register tile: as few as can be, of nearly equal width, so that no tail
  /// is much slower than the rest. A column tile is one of them (streamed) or two.
  int parts() const { return static_cast<int>(ceil_div<std::int64_t>(rows, kDirectCols)); }
  int parts_per_tile() const { return streamed() ? 1 : kTileCols / kDirectCols; }
  int tiles() const { return ceil_div(parts(), parts_per_tile()); }
  /// Rows of the batch that tile t holds.
  Range tile(int t) const {
    const int begin = t * parts_per_tile(), end = std::min(begin + parts_per_tile(), parts());
    return {split_range(rows, begin, parts()).begin, split_range(rows, end, parts()).begin};
  }
  /// Where a form of tile t lies from value k on (a multiple of 32).
  std::byte* prepared_tile(ActivationForm form, int t, std::int64_t k) const {
    constexpr std::int64_t kWord = sizeof(float);
    const Range r = tile(t);
    const std::int64_t at = first + r.begin;
    switch (form) {
      case ActivationForm::int8:
        return prepared->int8() + ActivationStep::bytes(1) * (cols / kStepK * at + k / kStepK * r.size());
      case ActivationForm::bf16:
        return prepared->bf16() + kWord * (ceil_div<std::int64_t>(cols, 2) * at + k / 2 * r.size());
      case ActivationForm::f32: break;
    }
    return prepared->f32() + kWord * (cols * at + k * r.size());
  }
};

/// Asks for the memory that prepare_tile will write, which other workers have read: call it some work before.
inline void claim_tile(const Activations& x, ActivationForms forms, int t, Range k) {
  const auto claim = [&](ActivationForm form) {
    const std::byte* const end = x.prepared_tile(form, t, k.end);
    for (const std::byte* p = x.prepared_tile(form, t, k.begin); p < end; p += kAlignment) prefetch_to_write(p);
  };
  if (forms.int8) claim(ActivationForm::int8);
  if (forms.bf16) claim(ActivationForm::bf16);
  if (forms.f32) claim(ActivationForm::f32);
}

/// Values [k.begin, k.end) of tile t, whose rows are at `values`, in the wanted forms. k.begin is a multiple of 32; so
/// is k.end, or it is the end. A barrier must follow before the products.
inline void prepare_tile(const KernelTable& kernels, const Activations& x, ActivationForms forms, int t, Range k,
                         const float* values) {
  const auto into = [&](ActivationForm form, auto* prepare) {
    prepare(values + k.begin, x.stride, x.tile(t).size(), k.size(), x.prepared_tile(form, t, k.begin));
  };
  if (forms.int8) into(ActivationForm::int8, kernels.quantize_activations);
  if (forms.bf16) into(ActivationForm::bf16, kernels.tile_bf16_activations);
  if (forms.f32) into(ActivationForm::f32, kernels.tile_f32_activations);
}

/// The same for rows where x has them.
inline void prepare_tile(const KernelTable& kernels, const Activations& x, ActivationForms forms, int t, Range k) {
  prepare_tile(kernels, x, forms, t, k, x.values + x.tile(t).begin * x.stride);
}

/// Prepares this worker's share of the tiles. All workers; a barrier must follow.
inline void prepare_rows(const Worker& worker, const KernelTable& kernels, const Activations& x,
                         ActivationForms forms) {
  const Range tiles = worker.share(x.tiles());
  for (std::int64_t t = tiles.begin; t < tiles.end; ++t)
    prepare_tile(kernels, x, forms, static_cast<int>(t), {0, x.cols});
}

}  // namespace plumb::ops
