#pragma once
/// The scalar tier: the scale searches of quantizers. They use vectors of their own kind, not the SIMD wrapper.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "kernels/scalar/begin.hpp"
#include "kernels/scalar/search_lanes.hpp"
#include "kernels/generic/tier_search.hpp"
#include "kernels/scalar/end.hpp"
// clang-format on
