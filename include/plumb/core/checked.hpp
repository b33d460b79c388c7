#pragma once
/// @file
/// Arithmetic on sizes that come from outside: overflow is an Error and never a wrapped number.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// a + b. @throws Error{overflow} naming `what`.
template <std::integral T>
constexpr T checked_add(T a, T b, std::string_view what) {
  T sum{};
  if (__builtin_add_overflow(a, b, &sum))
    throw Error(ErrorCode::overflow,
                std::string(what) + ": " + std::to_string(a) + " + " + std::to_string(b) + " overflows");
  return sum;
}

/// a * b. @throws Error{overflow} naming `what`.
template <std::integral T>
constexpr T checked_mul(T a, T b, std::string_view what) {
  T product{};
  if (__builtin_mul_overflow(a, b, &product))
    throw Error(ErrorCode::overflow,
                std::string(what) + ": " + std::to_string(a) + " * " + std::to_string(b) + " overflows");
  return product;
}

/// `value` as To. @throws Error{overflow} naming `what` when To cannot hold it.
template <std::integral To, std::integral From>
constexpr To checked_cast(From value, std::string_view what) {
  if (!std::in_range<To>(value))
    throw Error(ErrorCode::overflow, std::string(what) + ": " + std::to_string(value) + " does not fit");
  return static_cast<To>(value);
}

/// Smallest q with q * divisor >= value, for positive divisors.
template <std::integral T>
constexpr T ceil_div(T value, T divisor) {
  return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

/// Smallest multiple of `multiple` that is >= value.
template <std::integral T>
constexpr T round_up(T value, T multiple) {
  return static_cast<T>(ceil_div(value, multiple) * multiple);
}

}  // namespace plumb
