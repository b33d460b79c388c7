#pragma once
/// @file
/// Kernels of mixers that remember by recurrence. Each takes the rows of one sequence in their order and the part of
/// the sequence's state that it owns: columns are independent, so workers share a layer by columns, and the state of a
/// task stays in the first-level cache while all rows of a batch pass. Part of KernelTable.

#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// Values of a state that lie side by side: one vector.
inline constexpr int kStateLanes = 16;
/// Longest convolution.
inline constexpr int kMaxConvolution = 32;

/// The rows of one sequence in a batch: row i is row `index[i]` of every buffer.
struct RowIndex {
  const std::int32_t* index = nullptr;
  std::int64_t count = 0;

  std::int64_t operator[](std::int64_t i) const { return index[i]; }
};

/// Rows of f32 values: row n at base + n * stride.
template <class Value>
struct RowsOf {
  Value* base = nullptr;
  std::int64_t stride = 0;

  Value* operator[](std::int64_t n) const { return base + n * stride; }
  explicit operator bool() const { return base != nullptr; }
};
using RowsIn = RowsOf<const float>;
using RowsOut = RowsOf<float>;

/// A causal convolution of `channels` channels, each by itself:
///
///     x'[t, c]  = x[t, c] * gate[t, c]                                   (or x without a gate)
///     y[t, c]   = act(bias[c] + sum over j < kernel: weight[j, c] * x'[t - (kernel - 1) + j, c]) * times[t, c]
///
/// summed in rising j. What lies before the first row comes from `history`, whose rows are the last kernel - 1 inputs
/// x', oldest first, and which holds those of the last rows afterwards. Output rows are none of the inputs.
struct Convolution {
  RowIndex rows;
  RowsIn x, gate, times;        // [n, channels]; gate and times may be absent
  RowsOut out;                  // [n, channels]
  RowsOut history;              // [kernel - 1, channels]
  RowsIn weight;                // [kernel, channels]
  const float* bias = nullptr;  // [channels], or none
  std::int64_t channels = 0;
  int kernel = 0;  // 1 to kMaxConvolution
  bool silu = false;
};

/// The gated delta rule for `columns` value columns of one head. With S [k_dim, columns] the state:
///
///     S   = diag(decay[t]) S
///     S  += k[t] (x) beta[t] (v[t] - S^T k[t])
///     out = S^T q[t]
///
/// or, where what is recalled and what is replaced are keys of their own (RWKV 7), with the state as it was before:
///
///     d   = S^T recall[t]
///     S   = diag(decay[t]) S + k[t] (x) v[t] - replace[t] (x) d
///     out = S^T q[t]
///
/// The state lies in blocks of 16 columns, [column block][k_dim][16]; the last block is padded, and what is there stays
/// zero. Sums over k_dim run in four parts, k modulo 4, added as (0 + 1) + (2 + 3).
struct DeltaRule {
  RowIndex rows;
  RowsIn q, k;             // [n, k_dim]
  RowsIn v;                // [n, columns]
  RowsIn decay;            // [n, 1], or [n, k_dim]: the factor, not its logarithm
  RowsIn beta;             // [n, 1]; of one key alone
  RowsIn recall, replace;  // [n, k_dim]; of several keys alone
  RowsOut out;             // [n, columns]
  float* state = nullptr;
  std::int64_t k_dim = 0, columns = 0;
};

/// The scan of a state space for `columns` channels. With S [state, columns] the state and s = step[t]:
///
///     S   = keep[t] S + b[t] (x) (s x[t])
///     out = (S^T c[t] + skip x[t]) silu(gate[t])
///
/// One step, keep and skip for all columns (a head of Mamba 2), or for each its own, where keep = exp(s rate) for each
/// of the `state` numbers of a column (Mamba 1). The state lies in blocks of 16 columns as that of a delta rule, and so
/// do the rates; sums over the state run in four parts in the same way.
struct StateScan {
  RowIndex rows;
  RowsIn x, gate;               // [n, columns]
  RowsIn b, c;                  // [n, state]
  RowsIn step;                  // [n, 1], or [n, columns]
  RowsIn keep;                  // [n, 1]; one for all columns alone
  const float* rate = nullptr;  // [column block][state][16]; of each column alone
  const float* skip = nullptr;  // [1], or [columns]
  RowsOut out;                  // [n, columns]
  float* state = nullptr;
  std::int64_t size = 0, columns = 0;  // numbers that a column remembers, columns
};

/// Recurrent kernels of a tier.
struct RecurrentKernels {
  void (*convolve)(const Convolution&) = nullptr;
  void (*delta_rule)(const DeltaRule&) = nullptr;           ///< one decay a row
  void (*delta_rule_channels)(const DeltaRule&) = nullptr;  ///< one for each of the k_dim channels
  void (*delta_rule_keys)(const DeltaRule&) = nullptr;      ///< the same with several keys
  /// y[i] = x[i] / max(|x|, eps) * scale, |x| the length of the n values; y may be x.
  void (*l2_norm)(const float* x, float eps, float scale, float* y, std::int64_t n) = nullptr;
  void (*scan)(const StateScan&) = nullptr;           ///< one step a row
  void (*scan_channels)(const StateScan&) = nullptr;  ///< one for each of the columns
  /// step[i] = ln(1 + e^(x[i] + bias[i])); keep[i] = exp(rate[i] * step[i]), unless `keep` is null. step may be x.
  void (*steps)(const float* x, const float* bias, const float* rate, float* step, float* keep,
                std::int64_t n) = nullptr;
  /// x[i] = exp(rate[i] * ln(1 + e^(x[i] + bias[i]))); `rate_step` 0: one rate for all n values.
  void (*decay)(float* x, const float* bias, const float* rate, std::int64_t rate_step, std::int64_t n) = nullptr;
};

}  // namespace plumb
