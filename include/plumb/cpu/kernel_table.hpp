#pragma once
/// @file
/// The kernel set of one ISA tier: a struct of function pointers. A tier starts as a copy of the tier below and
/// overrides what it does better, so every slot always works. kernels/README.md draws the operands.

#include <cstddef>
#include <cstdint>

#include "plumb/core/dtype.hpp"
#include "plumb/cpu/attention_kernels.hpp"
#include "plumb/cpu/isa.hpp"
#include "plumb/cpu/probes.hpp"
#include "plumb/cpu/recurrent_kernels.hpp"
#include "plumb/cpu/search_kernels.hpp"
#include "plumb/cpu/vector_kernels.hpp"
#include "plumb/quant/packed.hpp"

namespace plumb::inline PLUMB_ABI {

/// Most columns (tokens) that are multiplied straight from the packed weights; more go through unpacked weights.
inline constexpr int kDirectCols = 8;

/// The form in which kernels take a column tile of n columns.
enum class ActivationForm {
  f32,   ///< [k][n] f32
  bf16,  ///< [k / 2][n] pairs (k, k + 1) of bfloat16, an odd last k paired with zero
  int8,  ///< ActivationStep steps
};

/// One piece of a product y[n, r] (+)= sum_k W[r, k] x[n, k]: consecutive panels against one column tile.
struct PanelProduct {
  const std::byte* panels;       ///< packed (direct) or unpacked (tile) weights
  std::size_t panel_stride;      ///< bytes from one panel to the next
  std::int64_t n_rows;           ///< rows of these panels that exist; only the last panel may be partial
  const std::byte* activations;  ///< one column tile in the form that the kernels say (ActivationForm)
  std::int64_t k;                ///< k in this piece: a multiple of the block (quantized), any number (float)
  float* out;                    ///< [n, out_stride], column c at out + c * out_stride
  std::int64_t out_stride;       ///< floats
  bool accumulate;               ///< start from what `out` holds rather than from zero
  /// The column tile of the next call, or none: kernels ask for it while they compute. Its columns follow these in
  /// `out`.
  const std::byte* next_activations = nullptr;
};

/// The kernels of one weight type. Index n - 1 of an array is the kernel for n columns.
struct MatmulKernels {
  /// y from packed weights, few columns: every weight byte is read once and unpacked in registers.
  void (*direct[kDirectCols])(const PanelProduct&) = {};
  /// y from unpacked weights, many columns; from packed ones where there is no `unpack` (float weights).
  void (*tile[kTileCols])(const PanelProduct&) = {};
  /// Unpacks k values [first_k, first_k + k) of one panel, both multiples of 32, into the form that `tile` reads. None
  /// where `tile` reads the packed panels.
  void (*unpack)(const std::byte* panel, std::int64_t first_k, std::int64_t k, std::byte* out) = nullptr;
  /// Bytes that `unpack` writes for each 32 values of one panel.
  std::size_t unpacked_step_bytes = 0;
  ActivationForm activations = ActivationForm::f32;  ///< what `direct` and `tile` read

  bool available() const { return direct[0] != nullptr; }
};

/// All kernels of a tier.
struct KernelTable {
  Isa isa = Isa::scalar;
  const char* name = "scalar";

  /// Kernels by DType value; `available()` is false for types that are not computed.
  MatmulKernels matmul[kDTypeValues];
  /// BF16 weights with f32 activations, for exact products in tiers whose matmul[bf16] rounds activations to bf16.
  MatmulKernels exact_bf16;

  /// Quantizes n columns x[c * stride + k], k in [0, cols), to a column tile of ActivationStep steps. Per 32 values:
  /// scale = x_m / -128 or x_m / -127, whichever errs less, where x_m has the largest magnitude; codes = round(x /
  /// scale), at most 127. cols is a multiple of 32.
  void (*quantize_activations)(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                               std::byte* tile) = nullptr;

  /// Arranges n <= 16 columns x[c * stride + k], k in [0, cols), as a column tile [k][n].
  void (*tile_f32_activations)(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                               std::byte* tile) = nullptr;
  /// The same as pairs of bfloat16, rounded to nearest even, denormals to zero. None where no kernels take them.
  void (*tile_bf16_activations)(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                                std::byte* tile) = nullptr;

  VectorKernels vector;
  AttentionKernels attention;
  RecurrentKernels recurrent;
  SearchKernels search;
  Probes probes;

  /// The kernels of a weight type; `exact`: those that take a float type's activations as f32.
  const MatmulKernels& matmul_for(DType type, bool exact = false) const {
    return exact && type == DType::bf16 ? exact_bf16 : matmul[static_cast<std::size_t>(type)];
  }
};

/// Whether a tier is compiled in and this machine can run it.
PLUMB_API bool isa_usable(Isa isa);

/// The tier to use: PLUMB_ISA when set, else the last of those that are usable. @throws Error{unsupported_isa} when the
/// forced tier is unknown, not compiled in or cannot run here; it never falls back silently.
PLUMB_API Isa choose_isa();

/// The table of one tier. @throws Error{unsupported_isa} when it is not usable.
PLUMB_API const KernelTable& kernels_for(Isa isa);

/// The table this process uses. @throws as choose_isa.
PLUMB_API const KernelTable& active_kernels();

}  // namespace plumb
