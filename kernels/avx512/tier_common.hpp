#pragma once
/// What the tiers avx512 and avx512_vnni share: its SIMD wrapper under the kernels that are written once, but for
/// products with quantized weights.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx512/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512/simd_math.hpp"
#include "kernels/generic/tier_floats.hpp"
#include "kernels/generic/tier_rows.hpp"
#include "kernels/avx512/end.hpp"
// clang-format on
