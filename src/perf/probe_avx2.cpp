// The order is the meaning here.
// clang-format off
#include "probes.hpp"
#include "kernels/prelude.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx2/dot4.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on

namespace plumb::inline PLUMB_ABI::kernels {

const ProbeTable& avx2_probes() {
  constexpr int kF32 = 5, kInt8 = 4;  // chains: two ports of latency 4 need 8 registers of 256 bits, a chain is two
  static const ProbeTable table{avx2::probe_read, avx2::probe_f32<kF32>, kF32 * 16 * 2.0, avx2::probe_int8<kInt8>,
                                kInt8 * 4 * 64 * 2.0};
  return table;
}

}  // namespace plumb::kernels
