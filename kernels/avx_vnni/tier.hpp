#pragma once
/// The avx_vnni tier: products with quantized weights, one instruction a dot. All else is that of avx2.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx_vnni/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx_vnni/dot4.hpp"
#include "kernels/generic/formats_32.hpp"
#include "kernels/generic/formats_256.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/unpack_weights.hpp"
#include "kernels/generic/matmul_quantized.hpp"
#include "kernels/generic/quantized_table.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/avx_vnni/end.hpp"
// clang-format on
