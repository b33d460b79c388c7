#pragma once
/// @file
/// Small loops that each keep one unit of the processor busy: what a machine's ceilings are measured with
/// (kernels/generic/probe.hpp). Part of KernelTable.

#include <cstddef>
#include <cstdint>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A loop of independent arithmetic in registers.
struct Probe {
  float (*run)(std::int64_t iterations) = nullptr;  ///< the result only keeps the work from being left out
  double operations = 0;                            ///< per iteration; a multiply-add is two
};

/// Probes of a tier.
struct Probes {
  /// Reads bytes once, front to back; a multiple of 512.
  std::uint8_t (*read)(const std::byte* from, std::size_t bytes) = nullptr;
  Probe f32, int8;
  Probe bf16;  ///< run is null where the tier has no bf16 arithmetic
};

}  // namespace plumb
