// Products with float weights, and activations made ready for products, in order: what a tier includes inside its
// region after its SIMD wrapper.
// clang-format off
#include "kernels/generic/quantize_activations.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/float_weights.hpp"
#include "kernels/generic/matmul_float.hpp"
#include "kernels/generic/activation_tiles.hpp"
#include "kernels/generic/add_float.hpp"
#include "kernels/generic/float_table.hpp"
// clang-format on
