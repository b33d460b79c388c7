#pragma once
/// @file
/// How blocks check their specifications: what every message needs, and bounds far above any published model but low
/// enough that a product of three dimensions fits 64 bits.

#include <cmath>
#include <string>
#include <string_view>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// Bounds of a specification.
struct SpecLimits {
  static constexpr int kWidth = 1 << 20;
  static constexpr int kFfn = 1 << 22;
  static constexpr int kVocab = 1 << 24;
  static constexpr int kLayers = 1 << 12;
  static constexpr int kHeads = 1 << 14;
  static constexpr int kHeadDim = 1 << 14;
  static constexpr int kStateDim = 1 << 12;  ///< sides of a recurrent state
  static constexpr int kExperts = 1 << 14;
  static constexpr int kContext = 1 << 30;
  static constexpr int kRopeTables = 16;
};

/// Refuses values that make no sense, naming whose they are.
struct SpecChecker {
  std::string where;  ///< the file or preset, and the layer: "model.gguf: layer 3: "

  [[noreturn]] void fail(ErrorCode code, const std::string& what) const { throw Error(code, where + what); }
  /// @throws Error{bad_value} for a value outside [low, high].
  void in_range(std::string_view field, int value, int low, int high) const {
    if (value < low || value > high)
      fail(ErrorCode::bad_value, std::string(field) + " is " + std::to_string(value) + ", expected " +
                                     std::to_string(low) + " to " + std::to_string(high));
  }
  /// @throws Error{bad_value} for a number that is not finite, or below zero (`positive`: or zero).
  void finite(std::string_view field, float value, bool positive) const {
    if (!std::isfinite(value) || (positive ? value <= 0.0f : value < 0.0f))
      fail(ErrorCode::bad_value, std::string(field) + " is " + std::to_string(value) + ", expected a finite number " +
                                     (positive ? "above zero" : "not below zero"));
  }
  /// @throws Error{bad_value} unless `whole` is a multiple of `part`.
  void divides(std::string_view part_name, int part, std::string_view whole_name, int whole) const {
    if (part <= 0 || whole % part != 0)
      fail(ErrorCode::bad_value, std::string(whole_name) + " is " + std::to_string(whole) +
                                     ", expected a multiple of " + std::string(part_name) + ", " +
                                     std::to_string(part));
  }
  /// The same for one layer of the model.
  SpecChecker at_layer(int layer) const { return {where + "layer " + std::to_string(layer) + ": "}; }
};

/// Why a block cannot be run here: empty when it can. Names the feature and what is supported in its place.
using Refusal = std::string;

}  // namespace plumb
