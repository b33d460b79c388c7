#include "plumb/cpu/portable.hpp"
#include "tiers.hpp"

namespace plumb::kernels {

const KernelTable& scalar_table() { return portable_kernels(); }

}  // namespace plumb::kernels
