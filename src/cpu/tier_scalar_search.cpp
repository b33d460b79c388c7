#include "kernels/scalar/tier_search.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

void add_scalar_search(KernelTable& table) { scalar::add_search_kernels(table); }

}  // namespace plumb::kernels
