#include "kernels/scalar/tier.hpp"
#include "tiers.hpp"

namespace plumb::kernels {

const KernelTable& scalar_table() {
  static const KernelTable table = [] {
    KernelTable t = KernelTable{};
    t.isa = Isa::scalar;
    t.name = "scalar";
    scalar::add_matmul_kernels(t);
    return t;
  }();
  return table;
}

}  // namespace plumb::kernels
