#include "plumb/quantize/second_moment.hpp"

#include <Eigen/Core>
#include <cmath>

#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

}  // namespace

SecondMoment::SecondMoment(std::int64_t columns) : columns_(columns) {
  if (columns < 1) throw Error(ErrorCode::bad_shape, "second moments need at least one column");
  sums_.resize(static_cast<std::size_t>(checked_mul(columns, columns, "second moments")));
}

void SecondMoment::add(const float* activations, std::int64_t rows, std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < columns_; ++k)
      if (!std::isfinite(activations[r * stride + k]))
        throw Error(ErrorCode::bad_value, "activation of row " + std::to_string(r) + ", column " + std::to_string(k) +
                                              " is " + std::to_string(activations[r * stride + k]) +
                                              ", expected a finite number");
  const Eigen::Map<const RowMajor, 0, Eigen::OuterStride<>> x(activations, rows, columns_,
                                                              Eigen::OuterStride<>(stride));
  Eigen::Map<RowMajor> sums(sums_.data(), columns_, columns_);
  sums.selfadjointView<Eigen::Lower>().rankUpdate(x.transpose());
  tokens_ += rows;
}

double SecondMoment::mean_square() const {
  double sum = 0;
  for (std::int64_t k = 0; k < columns_; ++k) sum += static_cast<double>(at(k, k));
  return tokens_ > 0 ? sum / (static_cast<double>(columns_) * static_cast<double>(tokens_)) : 0.0;
}

double SecondMoment::output_error(const float* errors, std::int64_t rows) const {
  const Eigen::Map<const RowMajor> e(errors, rows, columns_);
  const Eigen::Map<const RowMajor> h(sums_.data(), columns_, columns_);
  const RowMajor product = e * h.selfadjointView<Eigen::Lower>();
  return product.cwiseProduct(e).cast<double>().sum();
}

}  // namespace plumb
