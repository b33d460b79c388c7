#include "kernels/avx2/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx2_table() {
  static const KernelTable table = [] {
    KernelTable t = scalar_table();
    t.isa = Isa::avx2;
    t.name = "avx2";
    avx2::add_quantized_kernels(t);
    avx2::add_float_kernels(t);
    avx2::add_vector_kernels(t);
    avx2::add_attention_kernels(t);
    avx2::add_recurrent_kernels(t);
    avx2::add_probes(t);
    add_avx2_search(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
