#pragma once
/// @file
/// Rotary position embedding: pair i of a head turns by position * frequency[i].
///
/// Frequencies are base^(-2i/dims) (Su et al. 2021), stretched for longer contexts in one of these ways:
/// linear (divided by a factor), YaRN (Peng et al. 2023: high frequencies kept, low ones divided, a ramp between, and a
/// magnitude of 1 + 0.1 ln(factor)), or divided one by one by a tensor of factors (Llama 3.1).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <vector>

#include "plumb/cpu/kernel_table.hpp"
#include "plumb/ops/kinds.hpp"

namespace plumb::inline PLUMB_ABI::ops {

/// Frequencies of one kind of layer: angle of pair i at position p is p * frequency[i].
struct RopeTable {
  RopePairs pairs = RopePairs::none;
  int dims = 0;                   ///< rotated dimensions of a head, 2 * frequency.size()
  float magnitude = 1.0f;         ///< multiplies the rotated dimensions
  std::vector<double> frequency;  // [dims / 2]
};

namespace detail {

/// The pair (not rounded) that makes `turns` full turns over `context` positions.
inline double yarn_pair(int dims, double base, int context, double turns) {
  return dims * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(base));
}

/// Share of the unstretched frequency that YaRN keeps for pair i: 1 for the fast pairs, 0 for the slow ones.
inline double yarn_kept(const RopeSpec& spec, int dims, int i) {
  const double low = std::floor(yarn_pair(dims, spec.base, spec.original_context, spec.yarn_beta_fast));
  const double high = std::ceil(yarn_pair(dims, spec.base, spec.original_context, spec.yarn_beta_slow));
  const double first = std::max(0.0, low), last = std::min(dims - 1.0, high);
  return 1.0 - std::clamp((i - first) / std::max(0.001, last - first), 0.0, 1.0);
}

}  // namespace detail

/// A checked table. `factors` [dims / 2] divides the frequencies one by
/// one; empty for none.
inline RopeTable make_rope_table(const RopeSpec& spec, std::span<const float> factors = {}) {
  RopeTable table;
  table.pairs = spec.pairs;
  if (spec.pairs == RopePairs::none) return table;
  table.dims = spec.dims;
  table.magnitude = spec.attn_factor;
  const bool yarn = spec.scaling == RopeScaling::yarn;
  if (yarn && spec.yarn_ext_factor != 0 && spec.factor > 0) table.magnitude *= 1.0f + 0.1f * std::log(spec.factor);
  for (int i = 0; i < table.dims / 2; ++i) {
    double own = std::pow(static_cast<double>(spec.base), -2.0 * i / table.dims);
    if (!factors.empty()) own /= static_cast<double>(factors[static_cast<std::size_t>(i)]);
    double frequency = spec.scaling == RopeScaling::none ? own : own / static_cast<double>(spec.factor);
    if (yarn) {
      const double kept = detail::yarn_kept(spec, table.dims, i) * static_cast<double>(spec.yarn_ext_factor);
      frequency = frequency * (1 - kept) + own * kept;
    }
    table.frequency.push_back(frequency);
  }
  return table;
}

/// cos [dims / 2], then sin [dims / 2], of one position, times the magnitude. Angles and functions in double, so that
/// they are as exact at position one million as at one.
inline void rope_angles(const RopeTable& table, std::int64_t position, float* cos_sin) {
  const std::size_t half = table.frequency.size();
  for (std::size_t i = 0; i < half; ++i) {
    const double angle = static_cast<double>(position) * table.frequency[i];
    cos_sin[i] = static_cast<float>(std::cos(angle)) * table.magnitude;
    cos_sin[half + i] = static_cast<float>(std::sin(angle)) * table.magnitude;
  }
}

/// Turns one head in place: (a, b) becomes (a cos - b sin, a sin + b cos) for every pair. Dimensions beyond `dims`
/// stay.
inline void rotate_head(const KernelTable& kernels, const RopeTable& table, const float* cos_sin, float* head) {
  if (table.dims == 0) return;
  const auto rotate =
      table.pairs == RopePairs::interleaved ? kernels.vector.rotate_interleaved : kernels.vector.rotate_halves;
  rotate(cos_sin, table.dims / 2, head);
}

}  // namespace plumb::ops
