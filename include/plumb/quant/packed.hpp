#pragma once
/// @file
/// The R16K4 layout: how a weight matrix lies in memory when a kernel streams it.
///
/// 16 rows form a *panel*. Inside a panel, the quantized bytes of the 16 rows are interleaved 4 bytes at a time:
///
///     one 64-byte vector = | row 0: b b b b | row 1: b b b b | ... | row 15: b b b b |
///
/// so each 32-bit lane of a vector belongs to one row: a dot-product instruction that sums four byte products per lane
/// accumulates 16 rows at once and nothing is ever summed across lanes. The bytes themselves stay as the file has them
/// (Q8_0 turned unsigned); only scales are regrouped so that one vector holds the same scale of all 16 rows. Bytes per
/// weight are unchanged: a packed matrix is as large as the one in the file, but for padding to full panels.
///
/// A *step* is 32 consecutive k of a panel; formats with blocks of 256 have 8 steps per block.

#include <cstddef>
#include <cstdint>

#include "plumb/core/checked.hpp"
#include "plumb/core/dtype.hpp"

namespace plumb::inline PLUMB_ABI {

inline constexpr std::int64_t kPanelRows = 16;
inline constexpr std::int64_t kStepK = 32;

/// Whether weights of this type are multiplied with int8 activations (rather than f32 ones).
constexpr bool uses_int8_activations(DType type) { return dtype_info(type).quantized(); }

/// k are padded to this multiple in a panel: a block, or a pair of k for bfloat16.
constexpr std::int64_t panel_k_multiple(DType type) {
  return type == DType::bf16 ? 2 : static_cast<std::int64_t>(dtype_info(type).block_elements);
}

/// Bytes of one panel of 16 rows x cols.
constexpr std::size_t panel_bytes(DType type, std::int64_t cols) {
  const DTypeInfo& info = dtype_info(type);
  const std::int64_t blocks = round_up(cols, panel_k_multiple(type)) / info.block_elements;
  return static_cast<std::size_t>(kPanelRows) *
         (static_cast<std::size_t>(blocks) * info.block_bytes + info.row_scale_bytes);
}

/// How int8 activations lie in memory: for each step of 32 k, the parts below for all `n` columns of a column tile.
/// A column is one token. Offsets are in bytes from the start of the step.
///
///     | codes: n x 32 int8 | scale: n f32 | seed: n i32 | sum: n f32 | seed16: 2 x n i32 | sum16: 2 x n f32 |
///
/// seed = -128 * sum(codes), which turns unsigned weight codes with offset 128 into signed ones when an accumulator
/// starts from it; sum = scale * sum(codes), which weights with a minimum need. The "16" parts are the same for the two
/// halves of the step, for formats with a scale per 16 weights.
struct ActivationStep {
  static constexpr std::int64_t bytes(std::int64_t n) { return 60 * n; }
  static constexpr std::int64_t codes(std::int64_t) { return 0; }
  static constexpr std::int64_t scale(std::int64_t n) { return 32 * n; }
  static constexpr std::int64_t seed(std::int64_t n) { return 36 * n; }
  static constexpr std::int64_t sum(std::int64_t n) { return 40 * n; }
  static constexpr std::int64_t seed16(std::int64_t n, int half) { return (44 + 4 * half) * n; }
  static constexpr std::int64_t sum16(std::int64_t n, int half) { return (52 + 4 * half) * n; }
};

/// Columns of a full column tile.
inline constexpr int kTileCols = 16;

}  // namespace plumb
