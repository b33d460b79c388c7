#pragma once
/// @file
/// int8 and int4 with a scale for each group of weights: quantization in its plainest form, to learn from, to compare
/// the file formats with, and to run (in-memory types such as DType::int4g64). Templates over the bits and the
/// symmetry. What runs a model makes the same codes and a better search of scales, many groups at a time
/// (quantize_rows); the search here is the one that is easily understood, and what that one is measured against.
///
///   symmetric     w = scale * q             q in -127 ... 127 (8 bits), -8 ... 7 (4 bits)
///   zero point    w = scale * q + minimum   q in 0 ... 255 or 0 ... 15: the grid starts at the group's smallest weight
///
/// The zero point is kept as the weight of code 0 and not as the code of weight 0: an integer code would make 0 exact,
/// which padding and sparse weights like, and cost 7% of error at four bits (NMSE 6.5e-3 against 6.1e-3 on N(0,1) with
/// groups of 32).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/half.hpp"
#include "plumb/quant/integer_group.hpp"
#include "plumb/quant/nearest.hpp"
#include "plumb/quantize/quantize.hpp"

namespace plumb::inline PLUMB_ABI {

/// The grid of `bits` bits: how a group's scale is chosen, and what codes mean under it.
template <int bits, bool zero_point>
struct IntegerGrid {
  static constexpr int kLow = zero_point ? 0 : bits == 8 ? -127 : -(1 << (bits - 1));
  static constexpr int kHigh = zero_point ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;

  using Storage = IntegerGroup<bits, zero_point>;

  static float value(int code, GroupScale s) {
    return to_float(s.scale) * static_cast<float>(code) + to_float(s.minimum);
  }

  /// The nearest code.
  static int code(float x, GroupScale s) {
    const float target = (x - to_float(s.minimum)) * detail::inverse_or_zero(to_float(s.scale));
    return static_cast<int>(detail::nearest_clamped(target, kLow, kHigh));
  }

  /// Round-to-nearest: the largest weights land on the ends of the grid.
  static GroupScale nearest(std::span<const float> x) { return Reach(x).scaled(1.0f); }

  /// The scale of least sum of importance * error^2 among those that clip up to half the range of `nearest` (which is
  /// tried first, so that the result is never worse). `importance` is [group] or empty.
  static GroupScale search(std::span<const float> x, std::span<const float> importance = {}) {
    constexpr int kSteps = 50;
    const Reach reach(x);
    GroupScale best = reach.scaled(1.0f);
    float best_error = error(x, importance, best);
    for (int step = -5; step <= kSteps; ++step) {
      const GroupScale trial = reach.scaled(1.0f - 0.01f * static_cast<float>(step));
      const float trial_error = error(x, importance, trial);
      if (trial_error < best_error) best = trial, best_error = trial_error;
    }
    return best;
  }

  /// Sum of importance * (x - value(code(x)))^2.
  static float error(std::span<const float> x, std::span<const float> importance, GroupScale s) {
    float sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const float off = x[k] - value(code(x[k], s), s);
      sum += (importance.empty() ? 1.0f : importance[k]) * off * off;
    }
    return sum;
  }

  /// The group as it is stored: Storage::bytes(x.size()) bytes at `group`.
  static void quantize(std::span<const float> x, std::span<const float> importance, QuantMethod method,
                       std::byte* group) {
    const GroupScale s = method == QuantMethod::search ? search(x, importance) : nearest(x);
    Storage::set_scale(group, s);
    for (std::size_t first = 0; first < x.size(); first += Storage::kStep) {
      int codes[Storage::kStep] = {};
      const std::size_t present = std::min<std::size_t>(Storage::kStep, x.size() - first);
      for (std::size_t j = 0; j < present; ++j) codes[j] = code(x[first + j], s);
      Storage::set_step(group, static_cast<std::int64_t>(first) / Storage::kStep, codes);
    }
  }

 private:
  /// Where a group's weights lie, and the grids that cover them.
  struct Reach {
    explicit Reach(std::span<const float> x)
        : top(detail::extreme(x.data(), static_cast<int>(x.size()))),
          span(detail::span_of(x.data(), static_cast<int>(x.size()))) {}

    /// The grid that reaches to `part` of the range.
    GroupScale scaled(float part) const {
      GroupScale s;
      if constexpr (!zero_point) {
        // The extreme goes to the longer end. For 8 bits both ends are alike and the scale stays positive.
        s.scale = to_half_saturated(bits == 8 ? part * std::fabs(top) / kHigh : part * top / kLow);
        return s;
      }
      const float middle = 0.5f * span.low + 0.5f * span.high, half = 0.5f * span.high - 0.5f * span.low;
      s.scale = to_half_saturated(part * half * (2.0f / kHigh));
      s.minimum = to_half_saturated(middle - part * half);
      return s;
    }

    float top;
    detail::Span span;
  };
};

/// A matrix of `bits`-bit codes with one scale for each `group` weights of a row (the last group of a row may be
/// shorter). Rows are as the in-memory types have them.
template <int bits, int group, bool zero_point>
class IntegerMatrix {
 public:
  static_assert(group == kWholeRow || group % 32 == 0);
  using Grid = IntegerGrid<bits, zero_point>;
  using Storage = IntegerGroup<bits, zero_point>;

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
        Grid::quantize(x.subspan(static_cast<std::size_t>(r) * n + first, count),
                       importance.empty() ? importance : importance.subspan(first, count), method, at(r, g));
      }
  }
  /// All codes and scales 0, to be set one by one (GPTQ does). @throws Error{bad_shape, overflow}.
  IntegerMatrix(std::int64_t rows, std::int64_t columns) : rows_(rows), columns_(columns) {
    if (rows < 1 || columns < 1) throw Error(ErrorCode::bad_shape, "a quantized matrix needs rows and columns");
    bytes_.resize(checked_mul(static_cast<std::size_t>(rows), row_bytes(), "quantized matrix"));
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t group_size() const { return group == kWholeRow ? columns_ : group; }
  std::int64_t groups_per_row() const { return ceil_div(columns_, group_size()); }
  std::size_t row_bytes() const {
    const std::int64_t whole = groups_per_row() - 1;
    return static_cast<std::size_t>(whole) * Storage::bytes(group_size()) +
           Storage::bytes(columns_ - whole * group_size());
  }
  /// A row as the in-memory type stores it: row_bytes() bytes.
  const std::byte* row(std::int64_t row) const { return bytes_.data() + static_cast<std::size_t>(row) * row_bytes(); }
  /// Everything stored, over the weights.
  double bits_per_weight() const { return 8.0 * static_cast<double>(row_bytes()) / static_cast<double>(columns_); }

  GroupScale scale(std::int64_t row, std::int64_t g) const { return Storage::scale(at(row, g)); }
  void set_scale(std::int64_t row, std::int64_t g, GroupScale s) { Storage::set_scale(at(row, g), s); }

  int code(std::int64_t row, std::int64_t column) const {
    int codes[Storage::kStep];
    Storage::step(at(row, column / group_size()), column % group_size() / Storage::kStep, codes);
    return codes[column % group_size() % Storage::kStep];
  }
  void set_code(std::int64_t row, std::int64_t column, int code) {
    std::byte* const to = at(row, column / group_size());
    const std::int64_t step = column % group_size() / Storage::kStep;
    int codes[Storage::kStep];
    Storage::step(to, step, codes);
    codes[column % group_size() % Storage::kStep] = code;
    Storage::set_step(to, step, codes);
  }

  float weight(std::int64_t row, std::int64_t column) const {
    return Grid::value(code(row, column), scale(row, column / group_size()));
  }
  /// `out` is [columns].
  void dequantize_row(std::int64_t row, float* out) const {
    for (std::int64_t g = 0; g < groups_per_row(); ++g) {
      const std::int64_t first = g * group_size();
      Storage::dequantize(at(row, g), std::min(group_size(), columns_ - first), out + first);
    }
  }

 private:
  std::size_t offset(std::int64_t row, std::int64_t g) const {
    return static_cast<std::size_t>(row) * row_bytes() + static_cast<std::size_t>(g) * Storage::bytes(group_size());
  }
  std::byte* at(std::int64_t row, std::int64_t g) { return bytes_.data() + offset(row, g); }
  const std::byte* at(std::int64_t row, std::int64_t g) const { return bytes_.data() + offset(row, g); }

  std::int64_t rows_ = 0, columns_ = 0;
  std::vector<std::byte> bytes_;  // [rows, row_bytes()]
};

}  // namespace plumb
