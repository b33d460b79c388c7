#include "src/quant/search_tier.hpp"

#include <vector>

namespace plumb::inline PLUMB_ABI::detail {

extern const SearchTier kSearch_baseline;
#if defined(__x86_64__)
extern const SearchTier kSearch_avx2;
extern const SearchTier kSearch_avx512;
#endif

std::span<const SearchTier> search_tiers() {
  static const std::vector<SearchTier> tiers = {
    kSearch_baseline,
#if defined(__x86_64__)
    kSearch_avx2,
    kSearch_avx512,
#endif
  };
  return tiers;
}

const SearchTier& best_search_tier() {
  static const SearchTier& best = [&]() -> const SearchTier& {
    const SearchTier* widest = &search_tiers().front();
    for (const SearchTier& tier : search_tiers())
      if (tier.supported()) widest = &tier;
    return *widest;
  }();
  return best;
}

}  // namespace plumb::detail
