#pragma once
/// The avx_vnni tier's own: products with quantized weights, one instruction a dot. All else is in
/// avx2/tier_common.hpp.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx_vnni/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx_vnni/dot4.hpp"
#include "kernels/generic/tier_quantized.hpp"
#include "kernels/avx_vnni/end.hpp"
// clang-format on
