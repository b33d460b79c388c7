#include "kernels/avx512/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx512_table() {
  static const KernelTable table = [] {
    KernelTable t = avx2_table();
    t.isa = Isa::avx512;
    t.name = "avx512";
    avx512::add_quantized_kernels(t);
    avx512::add_float_kernels(t);
    avx512::add_vector_kernels(t);
    avx512::add_attention_kernels(t);
    avx512::add_recurrent_kernels(t);
    avx512::add_probes(t);
    add_avx512_search(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
