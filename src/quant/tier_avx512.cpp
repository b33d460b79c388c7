// The searches for avx512, in a target region of their own: no inline function of another file is compiled with it.
#if defined(__x86_64__)

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "src/quant/search_tier.hpp"

#define PLUMB_QUANT_LANES 16
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq")
#endif

namespace plumb::inline PLUMB_ABI::detail::quant_avx512 {
#include "src/quant/tier/lanes.hpp"

#include "src/quant/tier/scale.hpp"

#include "src/quant/tier/affine.hpp"

#include "src/quant/tier/super_affine.hpp"

#include "src/quant/tier/emit.hpp"

#include "src/quant/tier/convert.hpp"

#include "src/quant/tier/compensate.hpp"

#include "src/quant/tier/types.hpp"

#include "src/quant/tier/groups.hpp"
}  // namespace plumb::detail::quant_avx512

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace plumb::inline PLUMB_ABI::detail {
extern const SearchTier kSearch_avx512{
    "avx512",
    [] {
      return static_cast<bool>(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
    },
    quant_avx512::quantize,
    quant_avx512::quantize_groups,
    quant_avx512::halves_to_floats,
    quant_avx512::largest_bits,
    quant_avx512::compensate};
}
#endif
