#pragma once
/// Tests that run for every kernel tier of this machine.

#include <stdlib.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::test {

/// The tiers that this machine can run.
inline std::vector<Isa> tiers_here() {
  std::vector<Isa> tiers;
  for (Isa isa : kAllIsas)
    if (isa_usable(isa)) tiers.push_back(isa);
  return tiers;
}

/// PLUMB_ISA, set while this lives.
class ForcedTier {
 public:
  explicit ForcedTier(std::string_view name) {
    if (const char* set = std::getenv("PLUMB_ISA")) before_ = set;
    setenv("PLUMB_ISA", std::string(name).c_str(), 1);
  }
  ~ForcedTier() {
    if (before_)
      setenv("PLUMB_ISA", before_->c_str(), 1);
    else
      unsetenv("PLUMB_ISA");
  }
  ForcedTier(const ForcedTier&) = delete;
  ForcedTier& operator=(const ForcedTier&) = delete;

 private:
  std::optional<std::string> before_;
};

}  // namespace plumb::test
