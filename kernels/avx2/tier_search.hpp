#pragma once
/// The avx2 tier: the scale searches of quantizers. They use vectors of their own kind, not the SIMD wrapper.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/search_lanes.hpp"
#include "kernels/generic/tier_search.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on
