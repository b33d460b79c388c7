#pragma once
/// The probes of one ISA tier: small loops that each keep one unit of the processor busy. kernels/generic/probe.hpp.

#include <cstddef>
#include <cstdint>

#include "plumb/cpu/isa.hpp"

namespace plumb::inline PLUMB_ABI {

struct ProbeTable {
  /// Reads bytes once, front to back; a multiple of 512.
  std::uint8_t (*read)(const std::byte* from, std::size_t bytes);
  float (*f32)(std::int64_t iterations);
  double f32_operations;  ///< per iteration
  float (*int8)(std::int64_t iterations);
  double int8_operations;                            ///< per iteration
  float (*bf16)(std::int64_t iterations) = nullptr;  ///< or none: the tier has no bf16 arithmetic
  double bf16_operations = 0;                        ///< per iteration
};

/// The probes of a tier that this machine can run.
const ProbeTable& probes_for(Isa isa);

namespace kernels {
const ProbeTable& scalar_probes();
const ProbeTable& avx2_probes();
const ProbeTable& avx_vnni_probes();
const ProbeTable& avx512_probes();
const ProbeTable& avx512_vnni_probes();
const ProbeTable& avx512_bf16_probes();
}  // namespace kernels
}  // namespace plumb
