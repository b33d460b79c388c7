#pragma once
/// @file
/// IEEE binary16 and bfloat16 as storage types. Conversions are exact (to f32) or round to nearest even (from f32).

#include <bit>
#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// IEEE 754 binary16 bits: 1 sign, 5 exponent (bias 15), 10 mantissa.
struct Half {
  std::uint16_t bits;
};

/// bfloat16 bits: the upper half of an f32.
struct BFloat16 {
  std::uint16_t bits;
};

/// Exact for every value; NaN payloads are kept (and made quiet, as the hardware conversion does).
constexpr float to_float(Half h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (h.bits >> 10) & 0x1Fu;
  const std::uint32_t mantissa = h.bits & 0x3FFu;
  if (exponent == 0x1F) {
    const std::uint32_t quiet = mantissa != 0 ? 0x0040'0000u : 0u;
    return std::bit_cast<float>(sign | 0x7F80'0000u | quiet | (mantissa << 13));
  }
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, which f32 holds exactly
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

/// Exact for every value.
constexpr float to_float(BFloat16 b) { return std::bit_cast<float>(static_cast<std::uint32_t>(b.bits) << 16); }

/// Round to nearest even; overflow becomes infinity; NaN stays a (quiet) NaN.
constexpr Half to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFF'FFFFu;
  if (magnitude > 0x7F80'0000u) return Half{static_cast<std::uint16_t>(sign | 0x7E00u | ((magnitude >> 13) & 0x3FFu))};
  if (magnitude >= 0x477F'F000u) return Half{static_cast<std::uint16_t>(sign | 0x7C00u)};  // rounds to >= 65536
  if (magnitude < 0x3880'0000u) {  // below 2^-14: a subnormal half, in units of 2^-24
    if (magnitude < 0x3300'0000u) return Half{static_cast<std::uint16_t>(sign)};  // below 2^-25
    const std::uint32_t exponent = magnitude >> 23;
    const std::uint32_t significand = (magnitude & 0x7F'FFFFu) | 0x80'0000u;
    const std::uint32_t shift = 126 - exponent;
    const std::uint32_t kept = significand >> shift;
    const std::uint32_t rest = significand & ((1u << shift) - 1);
    const std::uint32_t halfway = 1u << (shift - 1);
    const std::uint32_t up = (rest > halfway || (rest == halfway && (kept & 1u))) ? 1u : 0u;
    return Half{static_cast<std::uint16_t>(sign | (kept + up))};
  }
  const std::uint32_t rounded = magnitude + 0x0FFFu + ((magnitude >> 13) & 1u);
  return Half{static_cast<std::uint16_t>(sign | ((rounded - (112u << 23)) >> 13))};
}

/// Round to nearest even; NaN stays a (quiet) NaN.
constexpr BFloat16 to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFF'FFFFu) > 0x7F80'0000u) return BFloat16{static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  return BFloat16{static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16)};
}

}  // namespace plumb
