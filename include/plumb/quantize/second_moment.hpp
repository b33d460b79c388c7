#pragma once
/// @file
/// Second moments of activations: for the input x of a matrix, H = sum over calibration tokens of x x^T. Where the mean
/// squares of importance.hpp say what an error in one column costs, H says what errors in several columns cost
/// together: a matrix that is wrong by E is wrong by trace(E H E^T) in its outputs, summed over those tokens.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// H of one input, [columns, columns].
class SecondMoment {
 public:
  /// No tokens yet. @throws Error{bad_shape, overflow}.
  explicit SecondMoment(std::int64_t columns);

  /// Adds `rows` activations, [rows, stride], of which the first `columns` of each row count.
  /// @throws Error{bad_value} naming row and column for a NaN or infinity; nothing is added then.
  void add(const float* activations, std::int64_t rows, std::int64_t stride);

  std::int64_t columns() const { return columns_; }
  std::int64_t tokens() const { return tokens_; }
  /// Sum over tokens of x_i x_j.
  float at(std::int64_t i, std::int64_t j) const {
    return sums_[static_cast<std::size_t>(i > j ? i * columns_ + j : j * columns_ + i)];
  }
  /// Of all columns and tokens; 0 when nothing was seen.
  double mean_square() const;
  /// trace(E H E^T): what rows of errors, [rows, columns], do to the outputs, summed over tokens and outputs.
  double output_error(const float* errors, std::int64_t rows) const;

 private:
  std::int64_t columns_, tokens_ = 0;
  std::vector<float> sums_;  // [columns, columns]; the lower triangle counts
};

/// Second moments by the name of the weight tensor; tensors with the same input share theirs.
using SecondMoments = std::map<std::string, std::shared_ptr<const SecondMoment>, std::less<>>;

}  // namespace plumb
