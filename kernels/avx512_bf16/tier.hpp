#pragma once
/// The avx512_bf16 tier: products of BF16 weights with bf16 activations, attention by bf16 dots. All else is that of
/// avx512_vnni.

// The order is the meaning here.
// clang-format off
#include "kernels/prelude.hpp"
#include "kernels/avx512_bf16/begin.hpp"
#include "kernels/avx512/simd.hpp"
#include "kernels/avx512/simd_math.hpp"
#include "kernels/avx512_bf16/dot2.hpp"
#include "kernels/generic/panel_product.hpp"
#include "kernels/generic/float_weights.hpp"
#include "kernels/generic/matmul_float.hpp"
#include "kernels/generic/add_float.hpp"
#include "kernels/generic/matmul_bf16.hpp"
#include "kernels/generic/exp.hpp"
#include "kernels/generic/attention_types.hpp"
#include "kernels/generic/attention_softmax.hpp"
#include "kernels/generic/attention_tiles.hpp"
#include "kernels/generic/attention_bf16.hpp"
#include "kernels/generic/probe_bf16.hpp"
#include "kernels/avx512_bf16/end.hpp"
// clang-format on
