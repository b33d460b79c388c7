#include "kernels/scalar/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& scalar_table() {
  static const KernelTable table = [] {
    KernelTable t;
    scalar::add_quantized_kernels(t);
    scalar::add_float_kernels(t);
    scalar::add_vector_kernels(t);
    scalar::add_attention_kernels(t);
    scalar::add_recurrent_kernels(t);
    scalar::add_probes(t);
    add_scalar_search(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
