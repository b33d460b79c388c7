#include "kernels/avx512/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx512_table() {
  static const KernelTable table = [] {
    KernelTable t = avx512_common();
    t.isa = Isa::avx512;
    t.name = "avx512";
    avx512::add_quantized_kernels(t);
    avx512::add_probes(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
