#pragma once
/// @file
/// A checksum of 64 bits for files of our own: XXH64 (Collet; the specification is public, doc/xxhash_spec.md of the
/// xxHash project). Finds accidents, not attackers.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// XXH64 with seed 0 of bytes that come piece by piece.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    while (!bytes.empty()) {
      if (held_ == 0 && bytes.size() >= kStripe) {
        take(bytes.data());
        bytes = bytes.subspan(kStripe);
        continue;
      }
      const std::size_t more = std::min(kStripe - held_, bytes.size());
      std::memcpy(stripe_.data() + held_, bytes.data(), more);
      bytes = bytes.subspan(more);
      held_ += more;
      if (held_ < kStripe) continue;
      take(stripe_.data());
      held_ = 0;
    }
  }
  /// A number, as its bytes in memory.
  template <class T>
  void number(const T& value) {
    add(std::as_bytes(std::span(&value, 1)));
  }

  std::uint64_t value() const {
    std::uint64_t hash = kPrime5;
    if (total_ >= kStripe) {
      hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
      for (const std::uint64_t lane : lanes_) hash = (hash ^ mixed(0, lane)) * kPrime1 + kPrime4;
    }
    hash += total_;
    std::size_t at = 0;
    for (; at + 8 <= held_; at += 8)
      hash = std::rotl(hash ^ mixed(0, load<std::uint64_t>(stripe_.data() + at)), 27) * kPrime1 + kPrime4;
    for (; at + 4 <= held_; at += 4)
      hash = std::rotl(hash ^ load<std::uint32_t>(stripe_.data() + at) * kPrime1, 23) * kPrime2 + kPrime3;
    for (; at < held_; ++at)
      hash = std::rotl(hash ^ std::to_integer<std::uint64_t>(stripe_[at]) * kPrime5, 11) * kPrime1;
    hash = (hash ^ hash >> 33) * kPrime2;
    hash = (hash ^ hash >> 29) * kPrime3;
    return hash ^ hash >> 32;
  }

 private:
  static constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F,
                                 kPrime3 = 0x165667B19E3779F9, kPrime4 = 0x85EBCA77C2B2AE63,
                                 kPrime5 = 0x27D4EB2F165667C5;
  static constexpr std::size_t kStripe = 32;

  template <class T>
  static T load(const std::byte* p) {
    T value;
    std::memcpy(&value, p, sizeof(T));
    return value;
  }
  static std::uint64_t mixed(std::uint64_t lane, std::uint64_t input) {
    return std::rotl(lane + input * kPrime2, 31) * kPrime1;
  }
  void take(const std::byte* stripe) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) lanes_[i] = mixed(lanes_[i], load<std::uint64_t>(stripe + 8 * i));
  }

  std::array<std::uint64_t, 4> lanes_{kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  std::array<std::byte, kStripe> stripe_{};
  std::size_t held_ = 0;
  std::uint64_t total_ = 0;
};

/// XXH64 with seed 0.
inline std::uint64_t checksum(std::span<const std::byte> bytes) {
  Checksum all;
  all.add(bytes);
  return all.value();
}

}  // namespace plumb
