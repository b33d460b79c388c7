#pragma once
/// @file
/// GPTQ: rounding with second-order error compensation (Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization
/// for Generative Pre-trained Transformers"). Rounds one column after another; what a rounding does to the outputs is
/// made good, as far as the calibration activations allow, by moving the weights that are still to be rounded.
///
/// For a row w and its rounded form q, with e = w - q and H the second moments of the input, the outputs are wrong by
/// e H e^T. A triangular factor H = R R^T, rows and columns in the order of the visits, makes that a sum of squares:
///
///   e H e^T = sum over p of cost[p] * (t[p] - q[p])^2      cost[p] = R[p][p]^2
///   t[p] = w[p] + sum over i < p of e[i] * C[p][i]         C[p][i] = R[i][p] / R[p][p]
///
/// so the best q[p], those before it given, is the one nearest to the target t[p]: no inverse of H is needed, and no
/// weight is changed in place. cost[p] is what column p costs after everything behind it has made good what it can, and
/// so the right weight for the search of scales too.
///
/// Scales belong to blocks of columns. A block is visited as a whole: when it begins, its scales are searched for the
/// targets as they stand (the K types fix a whole super-block at once), then its columns are rounded. Activation order
/// visits the blocks, and the columns inside each, from the largest mean square down: the columns that matter most are
/// rounded while there is most left to make good with.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plumb/quantize/integer.hpp"
#include "plumb/quantize/second_moment.hpp"

namespace plumb::inline PLUMB_ABI {

struct GptqOptions {
  /// Part of the mean of H's diagonal that is added to the diagonal: keeps columns without activations in their place,
  /// and the compensation from trusting the calibration too much. Raised by tens where H stays singular.
  float damping = 0.01f;
  bool activation_order = true;  ///< false: first column to last
};

/// The factor of one H for blocks of one size, shared by all matrices with this input. See the file's comment.
class GptqFactor {
 public:
  /// @throws Error{bad_shape} for a block of no columns, Error{bad_value} for H without any activation or beyond f32,
  /// Error{out_of_memory}. Needs 12 bytes for each of columns^2 while it runs, and keeps 4.
  GptqFactor(const SecondMoment& moments, std::int64_t block, const GptqOptions& options = {});

  /// A block's columns: [first, first + count), visited at the positions [position, position + count).
  struct Block {
    std::int64_t first, count, position;
  };

  std::int64_t columns() const { return static_cast<std::int64_t>(order_.size()); }
  /// In the order of the visits.
  std::span<const Block> blocks() const { return blocks_; }
  /// The column that is visited at a position.
  std::int64_t column(std::int64_t position) const { return order_[static_cast<std::size_t>(position)]; }
  /// C[position]: of the errors before it, [position].
  const float* coefficients(std::int64_t position) const { return coefficients_.data() + position * columns(); }
  /// cost[p] by column, [columns]: importance for a search of scales.
  const float* cost() const { return cost_.data(); }
  /// What the mean of the diagonal was multiplied with at last.
  float damping() const { return damping_; }

 private:
  void choose_order(const SecondMoment& moments, std::int64_t block, bool activation_order);

  std::vector<Block> blocks_;
  std::vector<std::int64_t> order_;  // [columns]
  std::vector<float> coefficients_;  // [columns, columns], strictly lower triangle
  std::vector<float> cost_;          // [columns]
  float damping_ = 0;
};

/// Rows that are rounded side by side, one a lane: every coefficient is loaded once for all of them.
inline constexpr int kGptqRows = 16;

namespace detail {

/// sums[p][lane] += C[p][i] * errors[i][lane] over the positions i in [first, last), for `count` positions p from
/// `begin` on; sums starts at position `begin`, errors at position 0.
void add_compensation(const GptqFactor& factor, std::int64_t begin, std::int64_t count, std::int64_t first,
                      std::int64_t last, const float* errors, float* sums);

/// Rounds 16 rows. `weights` is [columns][16], in column order. The grid:
///
///   grid.choose(block, targets)              targets is [count][16], in column order: fix the scales
///   grid.round(block, k, targets, values)    code the 16 targets of the block's column k, say what they became
///   grid.finish(block)                       all columns of the block are coded
template <class Grid>
void gptq_sixteen(const GptqFactor& factor, const float* weights, Grid& grid) {
  constexpr int kRows = kGptqRows;
  const auto at = [](std::int64_t k, int lane) { return static_cast<std::size_t>(k * kRows + lane); };
  std::vector<float> errors(static_cast<std::size_t>(factor.columns() * kRows));  // by position
  std::vector<float> moved, targets;
  for (const GptqFactor::Block& block : factor.blocks()) {
    const std::int64_t begin = block.position;
    moved.assign(static_cast<std::size_t>(block.count * kRows), 0.0f);
    targets.resize(moved.size());
    add_compensation(factor, begin, block.count, 0, begin, errors.data(), moved.data());
    for (std::int64_t j = 0; j < block.count; ++j) {
      const std::int64_t column = factor.column(begin + j);
      for (int lane = 0; lane < kRows; ++lane)
        targets[at(column - block.first, lane)] = weights[at(column, lane)] + moved[at(j, lane)];
    }
    grid.choose(block, targets.data());
    for (std::int64_t j = 0; j < block.count; ++j) {
      const std::int64_t column = factor.column(begin + j);
      float target[kRows], value[kRows];
      add_compensation(factor, begin + j, 1, begin, begin + j, errors.data(), moved.data() + j * kRows);
      for (int lane = 0; lane < kRows; ++lane) target[lane] = weights[at(column, lane)] + moved[at(j, lane)];
      grid.round(block, column - block.first, target, value);
      for (int lane = 0; lane < kRows; ++lane) errors[at(begin + j, lane)] = weights[at(column, lane)] - value[lane];
    }
    grid.finish(block);
  }
}

/// Rows first ... of x, [rows, columns], side by side: [columns][16]. Lanes beyond the last row are 0.
inline void gather_rows(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t first, float* out) {
  for (int lane = 0; lane < kGptqRows; ++lane)
    for (std::int64_t k = 0; k < columns; ++k)
      out[k * kGptqRows + lane] = first + lane < rows ? x[(first + lane) * columns + k] : 0.0f;
}

/// The teaching grids of integer.hpp as gptq_sixteen takes them.
template <class Matrix>
class IntegerGptqGrid {
 public:
  using Grid = typename Matrix::Grid;
  IntegerGptqGrid(Matrix& out, std::int64_t first_row, const float* cost)
      : out_(out),
        first_row_(first_row),
        rows_(std::min<std::int64_t>(kGptqRows, out.rows() - first_row)),
        cost_(cost) {}

  void choose(const GptqFactor::Block& block, const float* targets) {
    std::vector<float> x(static_cast<std::size_t>(block.count));
    for (std::int64_t lane = 0; lane < rows_; ++lane) {
      for (std::int64_t k = 0; k < block.count; ++k) x[static_cast<std::size_t>(k)] = targets[k * kGptqRows + lane];
      out_.set_scale(first_row_ + lane, block.first / out_.group_size(),
                     Grid::search(x, {cost_ + block.first, static_cast<std::size_t>(block.count)}));
    }
  }
  void round(const GptqFactor::Block& block, std::int64_t k, const float* targets, float* values) {
    for (std::int64_t lane = 0; lane < rows_; ++lane) {
      const GroupScale scale = out_.scale(first_row_ + lane, block.first / out_.group_size());
      const int code = Grid::code(targets[lane], scale);
      out_.set_code(first_row_ + lane, block.first + k, code);
      values[lane] = Grid::value(code, scale);
    }
    for (std::int64_t lane = rows_; lane < kGptqRows; ++lane) values[lane] = 0;
  }
  void finish(const GptqFactor::Block&) {}

 private:
  Matrix& out_;
  std::int64_t first_row_, rows_;
  const float* cost_;
};

}  // namespace detail

/// GPTQ of the teaching grids: `x` is [rows, columns]. The factor's block must be the matrix's group.
/// @throws Error{bad_shape} for sizes that disagree, Error{bad_value} for a NaN or infinity.
template <int bits, int group, bool zero_point>
IntegerMatrix<bits, group, zero_point> gptq_integer(std::span<const float> x, std::int64_t rows,
                                                    const GptqFactor& factor) {
  using Matrix = IntegerMatrix<bits, group, zero_point>;
  const std::int64_t columns = factor.columns();
  Matrix out(rows, columns);
  if (x.size() != static_cast<std::size_t>(rows * columns))
    throw Error(ErrorCode::bad_shape,
                "weights do not fit a matrix of " + std::to_string(rows) + " x " + std::to_string(columns));
  if (factor.blocks()[0].count > out.group_size() ||
      static_cast<std::int64_t>(factor.blocks().size()) != out.groups_per_row())
    throw Error(ErrorCode::bad_shape, "the factor is for blocks of another size than the matrix's groups");
  for (std::size_t i = 0; i < x.size(); ++i)
    if (!std::isfinite(x[i])) throw Error(ErrorCode::bad_value, "weight " + std::to_string(i) + " is not finite");
  std::vector<float> lanes(static_cast<std::size_t>(columns * kGptqRows));
  for (std::int64_t first = 0; first < rows; first += kGptqRows) {
    detail::gather_rows(x.data(), rows, columns, first, lanes.data());
    detail::IntegerGptqGrid<Matrix> grid(out, first, factor.cost());
    detail::gptq_sixteen(factor, lanes.data(), grid);
  }
  return out;
}

/// GPTQ of whole rows into any quantized type of GGUF files: as quantize_rows, with a factor whose block is the type's.
/// @throws Error{unsupported_type} for a type without a grid (floats), else as quantize_rows; Error{bad_shape} for a
/// factor that does not fit.
void gptq_rows(DType type, const float* x, std::byte* out, std::int64_t rows, std::int64_t columns,
               const GptqFactor& factor);

}  // namespace plumb
