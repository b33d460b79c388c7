// The order is the meaning here.
// clang-format off
#include "probes.hpp"
#include "kernels/prelude.hpp"
#include "kernels/avx512/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512/dot4.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/avx512/end.hpp"
// clang-format on

namespace plumb::inline PLUMB_ABI::kernels {

const ProbeTable& avx512_probes() {
  constexpr int kF32 = 12, kInt8 = 8;  // chains: two ports of latency 4 need 8
  static const ProbeTable table{avx512::probe_read, avx512::probe_f32<kF32>, kF32 * 16 * 2.0, avx512::probe_int8<kInt8>,
                                kInt8 * 4 * 64 * 2.0};
  return table;
}

}  // namespace plumb::kernels
