#include "plumb/quantize/gptq.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "plumb/core/checked.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Damping is multiplied by ten until the factor exists: a diagonal of its own size always has one.
constexpr float kMostDamping = 10.0f;

/// Grid of a GGUF type, as detail::gptq_sixteen takes it.
template <class Block>
class BlockGptqGrid {
 public:
  static constexpr int kElements = static_cast<int>(dtype_info(Block::kType).block_elements);
  static constexpr CodeGrid kGrid = Block::kGrid;
  static constexpr int kSubBlocks = kElements / kGrid.sub_block;

  /// `out` is the first of `rows` rows, `row_bytes` apart.
  BlockGptqGrid(std::byte* out, std::size_t row_bytes, std::int64_t rows, const float* cost)
      : out_(out), row_bytes_(row_bytes), rows_(rows), cost_(cost) {}

  void choose(const GptqFactor::Block& columns, const float* targets) {
    for (int lane = 0; lane < kGptqRows; ++lane)
      for (int k = 0; k < kElements; ++k) rows_of_targets_[lane * kElements + k] = targets[k * kGptqRows + lane];
    search_(rows_of_targets_, reinterpret_cast<std::byte*>(blocks_), kGptqRows, cost_ + columns.first, kElements);
    for (int lane = 0; lane < kGptqRows; ++lane) {
      block_scales(blocks_[lane], scale_[lane], offset_[lane]);
      for (int s = 0; s < kSubBlocks; ++s) inverse_[lane][s] = detail::inverse_or_zero(scale_[lane][s]);
    }
  }
  void round(const GptqFactor::Block&, std::int64_t k, const float* targets, float* values) {
    const std::int64_t s = k / kGrid.sub_block;
    for (int lane = 0; lane < kGptqRows; ++lane) {
      std::uint8_t code = detail::nearest_code(kGrid, targets[lane] - offset_[lane][s], inverse_[lane][s]);
      if (Block::kType == DType::q8_0 && code == 0) code = 1;  // -128 is left to nobody, see set_nearest_codes
      codes_[lane][k] = code;
      values[lane] = scale_[lane][s] * kGrid.value(code) + offset_[lane][s];
    }
  }
  void finish(const GptqFactor::Block& columns) {
    for (std::int64_t lane = 0; lane < rows_; ++lane) {
      set_codes(blocks_[lane], codes_[lane]);
      std::memcpy(out_ + static_cast<std::size_t>(lane) * row_bytes_ +
                      static_cast<std::size_t>(columns.first / kElements) * sizeof(Block),
                  &blocks_[lane], sizeof(Block));
    }
  }

 private:
  std::byte* out_;
  std::size_t row_bytes_;
  std::int64_t rows_;
  const float* cost_;
  const BlockSearch search_ = active_kernels().search.block_search(Block::kType);
  float rows_of_targets_[kGptqRows * kElements];
  Block blocks_[kGptqRows];
  float scale_[kGptqRows][kSubBlocks], offset_[kGptqRows][kSubBlocks], inverse_[kGptqRows][kSubBlocks];
  std::uint8_t codes_[kGptqRows][kElements];
};

template <class Block>
void gptq_blocks(const float* x, std::byte* out, std::int64_t rows, std::int64_t columns, const GptqFactor& factor) {
  std::vector<float> lanes(static_cast<std::size_t>(columns * kGptqRows));
  const std::size_t bytes = row_bytes(Block::kType, columns);
  for (std::int64_t first = 0; first < rows; first += kGptqRows) {
    detail::gather_rows(x, rows, columns, first, lanes.data());
    BlockGptqGrid<Block> grid(out + static_cast<std::size_t>(first) * bytes, bytes,
                              std::min<std::int64_t>(kGptqRows, rows - first), factor.cost());
    detail::gptq_sixteen(factor, lanes.data(), grid);
  }
}

}  // namespace

GptqFactor::GptqFactor(const SecondMoment& moments, std::int64_t block, const GptqOptions& options) {
  const std::int64_t n = moments.columns();
  if (block < 1) throw Error(ErrorCode::bad_shape, "GPTQ needs blocks of at least one column");
  const double mean = moments.mean_square() * static_cast<double>(moments.tokens());  // of the diagonal
  if (!(mean > 0) || !std::isfinite(mean))
    throw Error(ErrorCode::bad_value, "mean square of the activations is " + std::to_string(moments.mean_square()) +
                                          ", GPTQ expects a finite number above 0");
  choose_order(moments, block, options.activation_order);
  // The last column of the visits comes first: H = R R^T with R upper triangular is an ordinary Cholesky factor, seen
  // from the other end.
  Eigen::MatrixXd factor(n, n);
  const auto seen_from_the_end = [&](std::int64_t i) { return column(n - 1 - i); };
  damping_ = std::max(options.damping, 1e-6f);
  for (;; damping_ *= 10) {
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t i = j; i < n; ++i)
        factor(i, j) = static_cast<double>(moments.at(seen_from_the_end(i), seen_from_the_end(j))) / mean;
    factor.diagonal().array() += static_cast<double>(damping_);
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> in_place(factor);
    if (in_place.info() == Eigen::Success && factor.diagonal().allFinite()) break;
    if (damping_ > kMostDamping) throw Error(ErrorCode::bad_value, "second moments of the activations have no factor");
  }
  coefficients_.resize(static_cast<std::size_t>(checked_mul(n, n, "factor of second moments")));
  cost_.resize(static_cast<std::size_t>(n));
  for (std::int64_t p = 0; p < n; ++p) {
    const std::int64_t a = n - 1 - p;
    const double pivot = factor(a, a);
    for (std::int64_t i = 0; i < p; ++i)
      coefficients_[static_cast<std::size_t>(p * n + i)] = static_cast<float>(factor(n - 1 - i, a) / pivot);
    cost_[static_cast<std::size_t>(column(p))] = static_cast<float>(pivot * pivot);
  }
}

void GptqFactor::choose_order(const SecondMoment& moments, std::int64_t block, bool activation_order) {
  const std::int64_t n = moments.columns();
  const auto square = [&](std::int64_t k) { return static_cast<double>(moments.at(k, k)); };
  std::vector<double> mean;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t count = std::min(block, n - first);
    blocks_.push_back({first, count, 0});
    double sum = 0;
    for (std::int64_t k = first; k < first + count; ++k) sum += square(k);
    mean.push_back(sum / static_cast<double>(count));
  }
  const auto mean_of = [&](const Block& b) { return mean[static_cast<std::size_t>(b.first / block)]; };
  if (activation_order)
    std::stable_sort(blocks_.begin(), blocks_.end(),
                     [&](const Block& a, const Block& b) { return mean_of(a) > mean_of(b); });
  for (Block& b : blocks_) {
    b.position = static_cast<std::int64_t>(order_.size());
    for (std::int64_t k = b.first; k < b.first + b.count; ++k) order_.push_back(k);
    if (activation_order)
      std::stable_sort(order_.end() - b.count, order_.end(),
                       [&](std::int64_t a, std::int64_t c) { return square(a) > square(c); });
  }
}

void detail::add_compensation(const GptqFactor& factor, std::int64_t begin, std::int64_t count, std::int64_t first,
                              std::int64_t last, const float* errors, float* sums) {
  active_kernels().search.compensate(factor.coefficients(begin), factor.columns(), count, first, last, errors, sums);
}

void gptq_rows(DType type, const float* x, std::byte* out, std::int64_t rows, std::int64_t columns,
               const GptqFactor& factor) {
  require_computed(type);
  tensor_bytes(type, Shape{rows, columns});  // refuses torn blocks and overflow
  if (factor.columns() != columns || factor.blocks()[0].count != dtype_info(type).block_elements)
    throw Error(ErrorCode::bad_shape, "the factor is for " + std::to_string(factor.columns()) +
                                          " columns in blocks of " + std::to_string(factor.blocks()[0].count) +
                                          ", the matrix has " + std::to_string(columns) + " in blocks of " +
                                          std::to_string(dtype_info(type).block_elements));
  for (std::int64_t i = 0; i < rows * columns; ++i)
    if (!std::isfinite(x[i]))
      throw Error(ErrorCode::bad_value, "row " + std::to_string(i / columns) + ", column " +
                                            std::to_string(i % columns) + " is " + std::to_string(x[i]) +
                                            ", expected a finite weight");
  visit_quantized_block(
      type, [&]<class Block>(std::type_identity<Block>) { gptq_blocks<Block>(x, out, rows, columns, factor); });
}

}  // namespace plumb
