#pragma once
/// The avx2 tier: the scale searches of quantizers. They use vectors of their own kind, not the SIMD wrapper.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "plumb/quant/codes.hpp"
#include "plumb/quant/nearest.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/search_lanes.hpp"
#include "kernels/generic/search_vectors.hpp"
#include "kernels/generic/search_values.hpp"
#include "kernels/generic/search_scale.hpp"
#include "kernels/generic/search_affine.hpp"
#include "kernels/generic/search_super_affine.hpp"
#include "kernels/generic/search_codes.hpp"
#include "kernels/generic/search_blocks.hpp"
#include "kernels/generic/search_groups.hpp"
#include "kernels/generic/convert_rows.hpp"
#include "kernels/generic/compensate.hpp"
#include "kernels/generic/search_table.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on
