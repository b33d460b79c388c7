#pragma once
/// @file
/// int8 and int4 with a scale for each group of weights: quantization in its plainest form, to learn from and to
/// compare the file formats with. Templates over the bits, the group and the symmetry; no file format knows these.
///
///   symmetric     w = scale * q             q in -127 ... 127 (8 bits), -8 ... 7 (4 bits)
///   zero point    w = scale * q + minimum   q in 0 ... 255 or 0 ... 15: the grid starts at the group's smallest weight
///
/// The zero point is kept as the weight of code 0 and not as the code of weight 0: an integer code would make 0 exact,
/// which padding and sparse weights like, and cost 7% of error at four bits (NMSE 6.5e-3 against 6.1e-3 on N(0,1) with
/// groups of 32).
///
/// Bits per weight are the code's plus 16 for the f16 scale (and 16 for the f16 minimum) over the group: int4 with
/// groups of 32 has 4.5, or 5 with zero points; a scale for a whole row of thousands costs nothing and gives the
/// largest error.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/half.hpp"
#include "plumb/quant/nearest.hpp"
#include "plumb/quant/quantize.hpp"

namespace plumb {

/// Group size that stands for one scale a row.
inline constexpr int kWholeRow = 0;

/// Scale of one group, and the weight of code 0.
struct GroupScale {
  Half scale{}, minimum{};
};

/// The grid of `bits` bits: how a group's scale is chosen, and what codes mean under it.
template <int bits, bool zero_point>
struct IntegerGrid {
  static_assert(bits >= 2 && bits <= 8);
  static constexpr int kLow = zero_point ? 0 : bits == 8 ? -127 : -(1 << (bits - 1));
  static constexpr int kHigh = zero_point ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;

  static float value(int code, GroupScale s) {
    return to_float(s.scale) * static_cast<float>(code) + to_float(s.minimum);
  }

  /// The nearest code.
  static int code(float x, GroupScale s) {
    const float target = (x - to_float(s.minimum)) * detail::inverse_or_zero(to_float(s.scale));
    return static_cast<int>(detail::nearest_clamped(target, kLow, kHigh));
  }

  /// Round-to-nearest: the largest weights land on the ends of the grid.
  static GroupScale nearest(std::span<const float> x) { return scaled(x, 1.0f); }

  /// The scale of least sum of importance * error^2 among those that clip up to half the range of `nearest` (which is
  /// tried first, so that the result is never worse). `importance` is [group] or empty.
  static GroupScale search(std::span<const float> x, std::span<const float> importance = {}) {
    constexpr int kSteps = 50;
    GroupScale best = nearest(x);
    double best_error = error(x, importance, best);
    for (int step = -5; step <= kSteps; ++step) {
      const GroupScale trial = scaled(x, 1.0f - 0.01f * static_cast<float>(step));
      const double trial_error = error(x, importance, trial);
      if (trial_error < best_error) best = trial, best_error = trial_error;
    }
    return best;
  }

  /// Sum of importance * (x - value(code(x)))^2.
  static double error(std::span<const float> x, std::span<const float> importance, GroupScale s) {
    double sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double off = static_cast<double>(x[k]) - static_cast<double>(value(code(x[k], s), s));
      sum += (importance.empty() ? 1.0 : static_cast<double>(importance[k])) * off * off;
    }
    return sum;
  }

 private:
  /// The grid that reaches to `part` of the range.
  static GroupScale scaled(std::span<const float> x, float part) {
    const int n = static_cast<int>(x.size());
    GroupScale s;
    if constexpr (!zero_point) {
      // The extreme goes to the longer end. For 8 bits both ends are alike and the scale stays positive.
      const float top = detail::extreme(x.data(), n);
      s.scale = to_half_saturated(bits == 8 ? part * std::fabs(top) / kHigh : part * top / kLow);
      return s;
    }
    const detail::Span span = detail::span_of(x.data(), n);
    const float middle = 0.5f * span.low + 0.5f * span.high, half = 0.5f * span.high - 0.5f * span.low;
    s.scale = to_half_saturated(part * half * (2.0f / kHigh));
    s.minimum = to_half_saturated(middle - part * half);
    return s;
  }
};

/// A matrix of `bits`-bit codes with one scale for each `group` weights of a row (the last group of a row may be
/// shorter).
///
/// Codes lie row after row, two to a byte for four bits (weight 2 j in the low half of byte j), rows on whole bytes;
/// scales lie row after row, [rows, groups_per_row].
template <int bits, int group, bool zero_point>
class IntegerMatrix {
 public:
  static_assert(bits == 4 || bits == 8);
  static_assert(group == kWholeRow || group % 2 == 0);
  using Grid = IntegerGrid<bits, zero_point>;

  /// Quantizes `x`, [rows, columns]. `importance` is [columns] or empty: what a squared error in a column costs (search
  /// only). @throws Error{bad_shape} for sizes that disagree, Error{bad_value} for a NaN or infinity.
  IntegerMatrix(std::span<const float> x, std::int64_t rows, std::int64_t columns,
                QuantMethod method = QuantMethod::nearest, std::span<const float> importance = {})
      : IntegerMatrix(rows, columns) {
    const auto n = static_cast<std::size_t>(columns);
    if (x.size() != n * static_cast<std::size_t>(rows) || (!importance.empty() && importance.size() != n))
      throw Error(ErrorCode::bad_shape, "weights or importance do not fit a matrix of " + std::to_string(rows) + " x " +
                                            std::to_string(columns));
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!std::isfinite(x[i])) throw Error(ErrorCode::bad_value, "weight " + std::to_string(i) + " is not finite");
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t g = 0; g < groups_per_row(); ++g) {
        const auto first = static_cast<std::size_t>(g * group_size());
        const auto count = std::min(n - first, static_cast<std::size_t>(group_size()));
        const std::span<const float> weights = x.subspan(static_cast<std::size_t>(r) * n + first, count);
        const std::span<const float> costs = importance.empty() ? importance : importance.subspan(first, count);
        set_scale(r, g, method == QuantMethod::search ? Grid::search(weights, costs) : Grid::nearest(weights));
        for (std::size_t k = 0; k < count; ++k)
          set_code(r, static_cast<std::int64_t>(first + k), Grid::code(weights[k], scale(r, g)));
      }
  }
  /// All codes and scales 0, to be set one by one (GPTQ does). @throws Error{bad_shape, overflow}.
  IntegerMatrix(std::int64_t rows, std::int64_t columns) : rows_(rows), columns_(columns) {
    if (rows < 1 || columns < 1) throw Error(ErrorCode::bad_shape, "a quantized matrix needs rows and columns");
    codes_.resize(static_cast<std::size_t>(checked_mul(rows, row_bytes(), "quantized matrix")));
    scales_.resize(static_cast<std::size_t>(checked_mul(rows, groups_per_row(), "quantized matrix")));
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t group_size() const { return group == kWholeRow ? columns_ : group; }
  std::int64_t groups_per_row() const { return ceil_div(columns_, group_size()); }
  /// Everything stored, over the weights.
  double bits_per_weight() const {
    const double per_group = zero_point ? 32.0 : 16.0;
    return bits + per_group * static_cast<double>(groups_per_row()) / static_cast<double>(columns_);
  }

  GroupScale scale(std::int64_t row, std::int64_t g) const {
    return scales_[static_cast<std::size_t>(row * groups_per_row() + g)];
  }
  void set_scale(std::int64_t row, std::int64_t g, GroupScale s) {
    scales_[static_cast<std::size_t>(row * groups_per_row() + g)] = s;
  }

  int code(std::int64_t row, std::int64_t column) const {
    const std::uint8_t byte = codes_[byte_of(row, column)];
    if constexpr (bits == 8) return zero_point ? byte : static_cast<std::int8_t>(byte);
    const int nibble = column % 2 == 0 ? byte & 15 : byte >> 4;
    return zero_point || nibble < 8 ? nibble : nibble - 16;  // two's complement
  }
  void set_code(std::int64_t row, std::int64_t column, int code) {
    std::uint8_t& byte = codes_[byte_of(row, column)];
    if constexpr (bits == 8)
      byte = static_cast<std::uint8_t>(code);
    else if (column % 2 == 0)
      byte = static_cast<std::uint8_t>((byte & 0xF0) | (code & 15));
    else
      byte = static_cast<std::uint8_t>((byte & 0x0F) | (code & 15) << 4);
  }

  float weight(std::int64_t row, std::int64_t column) const {
    return Grid::value(code(row, column), scale(row, column / group_size()));
  }
  /// `out` is [columns].
  void dequantize_row(std::int64_t row, float* out) const {
    for (std::int64_t k = 0; k < columns_; ++k) out[k] = weight(row, k);
  }

 private:
  std::int64_t row_bytes() const { return bits == 8 ? columns_ : (columns_ + 1) / 2; }
  std::size_t byte_of(std::int64_t row, std::int64_t column) const {
    return static_cast<std::size_t>(row * row_bytes() + (bits == 8 ? column : column / 2));
  }

  std::int64_t rows_ = 0, columns_ = 0;
  std::vector<std::uint8_t> codes_;  // [rows, row_bytes()]
  std::vector<GroupScale> scales_;   // [rows, groups_per_row()]
};

}  // namespace plumb
