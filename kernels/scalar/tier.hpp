#pragma once
/// The scalar tier: its SIMD wrapper under the kernels that are written once, its own plain products, and the table
/// that holds them.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/scalar/begin.hpp"
#include "kernels/scalar/simd.hpp"
#include "kernels/scalar/simd_math.hpp"
#include "kernels/generic/formats_32.hpp"
#include "kernels/generic/formats_256.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/unpack_weights.hpp"
#include "kernels/scalar/columns.hpp"
#include "kernels/scalar/matmul_quantized.hpp"
#include "kernels/generic/quantized_table.hpp"
#include "kernels/generic/quantize_activations.hpp"
#include "kernels/generic/float_weights.hpp"
#include "kernels/scalar/matmul_float.hpp"
#include "kernels/generic/activation_tiles.hpp"
#include "kernels/generic/add_float.hpp"
#include "kernels/generic/float_table.hpp"
#include "kernels/generic/tier_rows.hpp"
#include "kernels/generic/probe.hpp"
#include "kernels/scalar/end.hpp"
// clang-format on
