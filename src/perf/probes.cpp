#include "probes.hpp"

namespace plumb::inline PLUMB_ABI {

const ProbeTable& probes_for(Isa isa) {
  switch (isa) {
    case Isa::scalar: return kernels::scalar_probes();
    case Isa::avx2: return kernels::avx2_probes();
    case Isa::avx_vnni: return kernels::avx_vnni_probes();
    case Isa::avx512: return kernels::avx512_probes();
    case Isa::avx512_vnni: return kernels::avx512_vnni_probes();
    case Isa::avx512_bf16: return kernels::avx512_bf16_probes();
  }
  return kernels::scalar_probes();
}

}  // namespace plumb
