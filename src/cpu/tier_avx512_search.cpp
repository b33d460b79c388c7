#include "kernels/avx512/tier_search.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

void add_avx512_search(KernelTable& table) { avx512::add_search_kernels(table); }

}  // namespace plumb::kernels
