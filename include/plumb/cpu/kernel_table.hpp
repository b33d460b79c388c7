#pragma once
/// @file
/// The kernel set of one ISA tier: a struct of function pointers. A tier starts as a copy of the tier below and
/// overrides what it does better, so every slot always works. kernels/README.md draws the operands.

#include <cstddef>
#include <cstdint>

#include "plumb/core/dtype.hpp"
#include "plumb/cpu/attention_kernels.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/cpu/vector_kernels.hpp"
#include "plumb/quant/packed.hpp"

namespace plumb {

/// Most columns (tokens) that are multiplied straight from the packed weights; more go through unpacked weights.
inline constexpr int kDirectCols = 8;

/// One piece of a product y[n, r] (+)= sum_k W[r, k] x[n, k]: consecutive panels against one column tile.
struct PanelProduct {
  const std::byte* panels;       ///< packed (direct) or unpacked (tile) weights
  std::size_t panel_stride;      ///< bytes from one panel to the next
  std::int64_t n_rows;           ///< rows of these panels that exist; only the last panel may be partial
  const std::byte* activations;  ///< one column tile: ActivationStep steps, or [k][n] f32 for float weights
  std::int64_t k;                ///< k in this piece: a multiple of the block (quantized), any number (float)
  float* out;                    ///< [n, out_stride], column c at out + c * out_stride
  std::int64_t out_stride;       ///< floats
  bool accumulate;               ///< start from what `out` holds rather than from zero
};

/// The kernels of one weight type. Index n - 1 of an array is the kernel for n columns.
struct MatmulKernels {
  /// y from packed weights, few columns: every weight byte is read once and unpacked in registers.
  void (*direct[kDirectCols])(const PanelProduct&) = {};
  /// y from unpacked weights, many columns.
  void (*tile[kTileCols])(const PanelProduct&) = {};
  /// Unpacks k values [first_k, first_k + k) of one panel into the form that `tile` reads.
  void (*unpack)(const std::byte* panel, std::int64_t first_k, std::int64_t k, std::byte* out) = nullptr;
  /// Bytes that `unpack` writes for `k` values of one panel: k / 32 * unpacked_step_bytes (quantized), or k * 64
  /// (float).
  std::size_t unpacked_step_bytes = 0;

  bool available() const { return unpack != nullptr; }
};

/// All kernels of a tier.
struct KernelTable {
  Isa isa = Isa::scalar;
  const char* name = "scalar";

  /// Kernels by DType value; `available()` is false for types that are not computed.
  MatmulKernels matmul[kDTypeValues];

  /// Quantizes n columns x[c * stride + k], k in [0, cols), to a column tile of ActivationStep steps. Per 32 values:
  /// scale = x_m / -128 or x_m / -127, whichever errs less, where x_m has the largest magnitude; codes = round(x /
  /// scale), at most 127. cols is a multiple of 32.
  void (*quantize_activations)(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                               std::byte* tile) = nullptr;

  VectorKernels vector;
  AttentionKernels attention;

  const MatmulKernels& matmul_for(DType type) const { return matmul[static_cast<std::size_t>(type)]; }
};

/// The table of one tier. @throws Error{unsupported_isa} when this machine cannot run it.
const KernelTable& kernels_for(Isa isa);

/// The table this process uses: PLUMB_ISA when set, else the best tier. @throws Error{unsupported_isa} for a forced
/// tier that cannot run.
const KernelTable& active_kernels();

}  // namespace plumb
