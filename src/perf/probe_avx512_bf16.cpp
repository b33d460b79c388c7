// The order is the meaning here.
// clang-format off
#include "probes.hpp"
#include "kernels/prelude.hpp"
#include "kernels/avx512_bf16/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512_vnni/dot4.hpp"
#include "kernels/avx512_bf16/dot2.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/generic/probe_bf16.hpp"
#include "kernels/avx512_bf16/end.hpp"
// clang-format on

namespace plumb::inline PLUMB_ABI::kernels {

const ProbeTable& avx512_bf16_probes() {
  constexpr int kF32 = 12, kInt8 = 12, kBf16 = 12;  // chains: two ports of latency 5 or 6
  static const ProbeTable table{
      avx512_bf16::probe_read, avx512_bf16::probe_f32<kF32>,   kF32 * 16 * 2.0,     avx512_bf16::probe_int8<kInt8>,
      kInt8 * 4 * 64 * 2.0,    avx512_bf16::probe_bf16<kBf16>, kBf16 * 4 * 32 * 2.0};
  return table;
}

}  // namespace plumb::kernels
