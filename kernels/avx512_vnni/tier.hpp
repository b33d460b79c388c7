#pragma once
/// The avx512_vnni tier's own: products with quantized weights, one instruction a dot. All else is in
/// avx512/tier_common.hpp.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx512_vnni/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512_vnni/dot4.hpp"
#include "kernels/generic/tier_quantized.hpp"
#include "kernels/avx512_vnni/end.hpp"
// clang-format on
