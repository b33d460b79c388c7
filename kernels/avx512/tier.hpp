#pragma once
/// The avx512 tier's own: products with quantized weights, a dot in several instructions. All else is in
/// tier_common.hpp.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx512/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512/dot4.hpp"
#include "kernels/generic/tier_quantized.hpp"
#include "kernels/avx512/end.hpp"
// clang-format on
