#pragma once
/// Tests that run for every kernel tier of this machine.

#include <vector>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::test {

/// The tiers that this machine can run.
inline std::vector<Isa> tiers_here() {
  std::vector<Isa> tiers;
  for (Isa isa : kAllIsas)
    if (isa_supported(isa)) tiers.push_back(isa);
  return tiers;
}

}  // namespace plumb::test
