#include "kernels/avx512_vnni/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx512_vnni_table() {
  static const KernelTable table = [] {
    KernelTable t = avx512_common();
    t.isa = Isa::avx512_vnni;
    t.name = "avx512_vnni";
    avx512_vnni::add_quantized_kernels(t);
    avx512_vnni::add_probes(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
