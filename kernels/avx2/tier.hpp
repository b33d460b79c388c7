#pragma once
/// The avx2 tier's own: products with quantized weights, a dot in several instructions. All else is in tier_common.hpp.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx2/dot4.hpp"
#include "kernels/generic/tier_quantized.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on
