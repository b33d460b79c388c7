// The order is the meaning here.
// clang-format off
#include "probes.hpp"
#include "kernels/prelude.hpp"
#include "kernels/avx_vnni/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx_vnni/dot4.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/avx_vnni/end.hpp"
// clang-format on

namespace plumb::inline PLUMB_ABI::kernels {

const ProbeTable& avx_vnni_probes() {
  constexpr int kF32 = 5, kInt8 = 5;  // chains: two ports of latency 5 need 10 registers of 256 bits, a chain is two
  static const ProbeTable table{avx_vnni::probe_read, avx_vnni::probe_f32<kF32>, kF32 * 16 * 2.0,
                                avx_vnni::probe_int8<kInt8>, kInt8 * 4 * 64 * 2.0};
  return table;
}

}  // namespace plumb::kernels
