// The order is the meaning here.
// clang-format off
#include "probes.hpp"
#include "kernels/prelude.hpp"
#include "kernels/scalar/begin.hpp"
#include "kernels/scalar/simd.hpp"

#include "kernels/generic/probe.hpp"
#include "kernels/scalar/end.hpp"
// clang-format on

namespace plumb::inline PLUMB_ABI::kernels {

const ProbeTable& scalar_probes() {
  constexpr int kF32 = 2, kInt8 = 2;  // chains: what fits 16 SSE registers
  static const ProbeTable table{scalar::probe_read, scalar::probe_f32<kF32>, kF32 * 16 * 2.0, scalar::probe_int8<kInt8>,
                                kInt8 * 4 * 64 * 2.0};
  return table;
}

}  // namespace plumb::kernels
