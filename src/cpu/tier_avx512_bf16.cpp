#include "kernels/avx512_bf16/tier.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& avx512_bf16_table() {
  static const KernelTable table = [] {
    KernelTable t = avx512_vnni_table();
    t.isa = Isa::avx512_bf16;
    t.name = "avx512_bf16";
    avx512_bf16::add_bf16_dots(t);
    avx512_bf16::add_bf16_attention(t);
    avx512_bf16::add_bf16_probe(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
