// The searches for avx2, in a target region of their own: no inline function of another file is compiled with it.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "src/quant/search_tier.hpp"

#define PLUMB_QUANT_LANES 8
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

namespace plumb::inline PLUMB_ABI::detail::quant_avx2 {
#include "src/quant/tier/lanes.hpp"

#include "src/quant/tier/scale.hpp"

#include "src/quant/tier/affine.hpp"

#include "src/quant/tier/super_affine.hpp"

#include "src/quant/tier/emit.hpp"

#include "src/quant/tier/convert.hpp"

#include "src/quant/tier/compensate.hpp"

#include "src/quant/tier/types.hpp"

#include "src/quant/tier/groups.hpp"
}  // namespace plumb::detail::quant_avx2

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace plumb::inline PLUMB_ABI::detail {
extern const SearchTier kSearch_avx2{"avx2",
                                     [] { return static_cast<bool>(__builtin_cpu_supports("avx2")); },
                                     quant_avx2::quantize,
                                     quant_avx2::quantize_groups,
                                     quant_avx2::halves_to_floats,
                                     quant_avx2::largest_bits,
                                     quant_avx2::compensate};
}
#endif
