#pragma once
/// What every kernel file may use: system headers (which must come before a target region opens) and two macros.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "plumb/core/half.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/quant/formats.hpp"
#include "plumb/quant/packed.hpp"

/// Kernels are built from small functions that must melt into their callers' registers. Where there are no vector
/// registers (kernels/scalar/simd.hpp) the compiler decides.
#define PLUMB_INLINE static inline __attribute__((always_inline))

/// Unrolls the following loop fully, so that arrays indexed by its counter live in registers. Each tier's SIMD wrapper
/// says whether PLUMB_UNROLL is this: without vector registers it would only make the code long.
#define PLUMB_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define PLUMB_UNROLL_FULLY(n) PLUMB_PRAGMA(clang loop unroll(full))
#else
#define PLUMB_UNROLL_FULLY(n) PLUMB_PRAGMA(GCC unroll n)
#endif

namespace plumb::inline PLUMB_ABI::kernels {
/// Asks for the cache line of `p` in the second-level cache; any address may be given.
static inline __attribute__((always_inline)) void prefetch_l2(const void* p) { __builtin_prefetch(p, 0, 2); }
}  // namespace plumb::kernels
