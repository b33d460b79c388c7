#pragma once
/// @file
/// Random numbers that are the same on every platform: std:: distributions are not.

#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, every seed is as good as any other.
class RandomBits {
 public:
  explicit RandomBits(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, bound), up to bound / 2^64 of bias per value. bound > 0.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(next()) * bound >> 64);
  }

 private:
  std::uint64_t state_;
};

}  // namespace plumb
