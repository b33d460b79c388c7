#include "kernels/avx512/tier_common.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

KernelTable avx512_common() {
  KernelTable t = scalar_table();
  avx512::add_float_kernels(t);
  avx512::add_vector_kernels(t);
  avx512::add_attention_kernels(t);
  avx512::add_recurrent_kernels(t);
  add_avx512_search(t);
  return t;
}

}  // namespace plumb::kernels
