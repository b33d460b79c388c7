#pragma once
/// The avx2 tier: its SIMD wrapper under the kernels that are written once, and the table that holds them.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx2/begin.hpp"
#include "kernels/avx2/simd.hpp"
#include "kernels/generic/formats_32.hpp"
#include "kernels/generic/formats_256.hpp"
#include "kernels/generic/matmul_quantized.hpp"
#include "kernels/generic/matmul_float.hpp"
#include "kernels/generic/matmul_table.hpp"
#include "kernels/avx2/end.hpp"
// clang-format on
