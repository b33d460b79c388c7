#pragma once
/// The avx2 tier: its SIMD wrapper under the kernels that are written once, and the table that holds them.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/avx2/simd_math.hpp"
#include "kernels/avx2/dot4.hpp"
#include "kernels/generic/formats_32.hpp"
#include "kernels/generic/formats_256.hpp"
#include "kernels/generic/quantize_activations.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/unpack_weights.hpp"
#include "kernels/generic/matmul_quantized.hpp"
#include "kernels/generic/float_weights.hpp"
#include "kernels/generic/matmul_float.hpp"
#include "kernels/generic/activation_tiles.hpp"
#include "kernels/generic/quantized_table.hpp"
#include "kernels/generic/add_float.hpp"
#include "kernels/generic/float_table.hpp"
#include "kernels/generic/tier_rows.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on
