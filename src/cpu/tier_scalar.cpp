#include "plumb/cpu/portable.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& scalar_table() { return portable_kernels(); }

}  // namespace plumb::kernels
