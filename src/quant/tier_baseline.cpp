// The searches for any machine: vectors of 4 floats (SSE2, NEON).

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "src/quant/search_tier.hpp"

#define PLUMB_QUANT_LANES 4

namespace plumb::inline PLUMB_ABI::detail::quant_baseline {
#include "src/quant/tier/lanes.hpp"

#include "src/quant/tier/scale.hpp"

#include "src/quant/tier/affine.hpp"

#include "src/quant/tier/super_affine.hpp"

#include "src/quant/tier/emit.hpp"

#include "src/quant/tier/convert.hpp"

#include "src/quant/tier/compensate.hpp"

#include "src/quant/tier/types.hpp"

#include "src/quant/tier/groups.hpp"
}  // namespace plumb::detail::quant_baseline

namespace plumb::inline PLUMB_ABI::detail {
extern const SearchTier kSearch_baseline{"baseline",
                                         [] { return static_cast<bool>(true); },
                                         quant_baseline::quantize,
                                         quant_baseline::quantize_groups,
                                         quant_baseline::halves_to_floats,
                                         quant_baseline::largest_bits,
                                         quant_baseline::compensate};
}
