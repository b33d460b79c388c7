#include <string>

#include "plumb/cpu/kernel_table.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI {

const KernelTable& kernels_for(Isa isa) {
  if (!isa_supported(isa))
    throw Error(ErrorCode::unsupported_isa, "this machine cannot run the kernel tier " + std::string(isa_name(isa)) +
                                                "; its best is " + std::string(isa_name(best_isa())));
  switch (isa) {
    case Isa::scalar: return kernels::scalar_table();
    case Isa::avx2: return kernels::avx2_table();
    case Isa::avx_vnni: return kernels::avx_vnni_table();
    case Isa::avx512: return kernels::avx512_table();
    case Isa::avx512_vnni: return kernels::avx512_vnni_table();
    case Isa::avx512_bf16: return kernels::avx512_bf16_table();
  }
  return kernels::scalar_table();
}

const KernelTable& active_kernels() { return kernels_for(choose_isa()); }

}  // namespace plumb
