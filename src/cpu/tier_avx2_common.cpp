#include "kernels/avx2/tier_common.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

KernelTable avx2_common() {
  KernelTable t = scalar_table();
  avx2::add_float_kernels(t);
  avx2::add_vector_kernels(t);
  avx2::add_attention_kernels(t);
  avx2::add_recurrent_kernels(t);
  add_avx2_search(t);
  return t;
}

}  // namespace plumb::kernels
