#include "kernels/avx2/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx2_table() {
  static const KernelTable table = [] {
    KernelTable t = avx2_common();
    t.isa = Isa::avx2;
    t.name = "avx2";
    avx2::add_quantized_kernels(t);
    avx2::add_probes(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
