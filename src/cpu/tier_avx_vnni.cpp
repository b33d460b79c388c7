#include "kernels/avx_vnni/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx_vnni_table() {
  static const KernelTable table = [] {
    KernelTable t = avx2_common();
    t.isa = Isa::avx_vnni;
    t.name = "avx_vnni";
    avx_vnni::add_quantized_kernels(t);
    avx_vnni::add_probes(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
