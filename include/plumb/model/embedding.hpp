#pragma once
/// @file
/// Embeddings of texts: how they are asked for, what they are, how they are compared. Session::embed makes them.

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to make embeddings.
struct EmbedOptions {
  /// How the rows of a text become one; Pooling::none: as pooling_of has it.
  Pooling pooling = Pooling::none;
  bool rows = false;  ///< a row per token too
};

/// The embedding of one text, of the length that the model gives it.
struct Embedding {
  std::vector<float> pooled;  // [ModelSpec::embedding_width()]
  std::vector<float> rows;    // [tokens, D], the stream after the last norm; empty unless asked for
};

/// The pooling of a model: its own; where it names none, the last row, which alone has seen the whole text, and the
/// mean where all rows have.
inline Pooling pooling_of(const ModelSpec& spec) {
  if (spec.output.pooling != Pooling::none) return spec.output.pooling;
  return reads_at_once(spec) ? Pooling::mean : Pooling::last;
}

/// Length of a vector, summed in double precision.
inline double length_of(std::span<const float> values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

/// Scales a vector to length 1; one of length 0 stays.
inline void make_unit_length(std::span<float> values) {
  const double length = length_of(values);
  if (length == 0) return;
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) / length);
}

/// Cosine of the angle between two vectors of one width; 0 where one has no length.
inline double cosine_similarity(std::span<const float> a, std::span<const float> b) {
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  const double lengths = length_of(a) * length_of(b);
  return lengths > 0 ? product / lengths : 0;
}

}  // namespace plumb
