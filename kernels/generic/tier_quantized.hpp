// Products with quantized weights, in order: what a tier includes inside its region after its SIMD wrapper and its
// dot4.
// clang-format off
#include "kernels/generic/formats_32.hpp"
#include "kernels/generic/formats_256.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/unpack_weights.hpp"
#include "kernels/generic/matmul_quantized.hpp"
#include "kernels/generic/quantized_table.hpp"
#include "kernels/generic/probe.hpp"
// clang-format on
