#include "kernels/avx2/tier_search.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

void add_avx2_search(KernelTable& table) { avx2::add_search_kernels(table); }

}  // namespace plumb::kernels
