#pragma once
/// @file
/// Importance of weights from calibration: for each input column of a matrix, the mean square of the activation that
/// meets it. Reads and writes the GGUF "imatrix" files that llama.cpp uses, and reads its older binary form.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/core/tensor.hpp"

namespace plumb::inline PLUMB_ABI {

/// Sums over calibration tokens for one weight tensor. A matrix has one set of columns, a stack of experts one a
/// matrix.
struct ImportanceEntry {
  std::int64_t columns = 0;
  std::vector<float> sums;    ///< [matrices, columns]: sum of squared activations
  std::vector<float> counts;  ///< [matrices]: tokens that went in

  std::int64_t matrices() const { return static_cast<std::int64_t>(counts.size()); }
};

/// Importance of all tensors of a model.
class PLUMB_API ImportanceMatrix {
 public:
  /// Adds the squares of activations: `rows` is [n_rows, columns], all meeting matrix `matrix` of `matrices` of tensor
  /// `name`. @throws Error{bad_shape} when the tensor had another shape before, Error{bad_value} for a sum that is not
  /// finite.
  void add(std::string_view name, std::span<const float> rows, std::int64_t columns, std::int64_t matrix = 0,
           std::int64_t matrices = 1);
  /// Adds sums that were made elsewhere: `squares` is [columns], over `count` rows. @throws as add().
  void add_sums(std::string_view name, std::span<const double> squares, double count, std::int64_t matrix = 0,
                std::int64_t matrices = 1);

  /// Mean squares of the columns of one matrix, [columns]; empty when nothing is known: no such tensor, another number
  /// of columns or matrices, no token seen. A tensor with one matrix answers for any of a stack.
  std::vector<float> mean_squares(std::string_view name, std::int64_t columns, std::int64_t matrix = 0,
                                  std::int64_t matrices = 1) const;

  /// Whether mean_squares() knows of any matrix of a tensor of this name and shape.
  bool knows(std::string_view name, const Shape& shape) const;

  const std::map<std::string, ImportanceEntry, std::less<>>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  std::vector<std::string>& datasets() { return datasets_; }
  const std::vector<std::string>& datasets() const { return datasets_; }

  /// Tokens are counted in chunks for other tools.
  std::uint32_t chunk_size = 512;
  std::uint32_t chunk_count = 0;

  /// Reads either form. @throws Error{io, truncated, bad_magic, bad_value, bad_shape, wrong_type, missing_key,
  /// duplicate} naming file and field; every value is finite and no sum negative afterwards.
  static ImportanceMatrix read(const std::filesystem::path& path);
  /// The same from memory; `name` is for messages.
  static ImportanceMatrix from_memory(std::span<const std::byte> bytes, const std::string& name = "memory");
  /// Writes the GGUF form. @throws Error{io}.
  void write(const std::filesystem::path& path) const;

 private:
  std::map<std::string, ImportanceEntry, std::less<>> entries_;
  std::vector<std::string> datasets_;
};

}  // namespace plumb
