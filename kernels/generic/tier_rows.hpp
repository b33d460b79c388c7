// Kernels on rows and attention, in order: what a tier includes inside its region that has a SIMD wrapper and its
// transcendental functions (simd_math.hpp).
// clang-format off
#include "kernels/generic/exp.hpp"
#include "kernels/generic/norm.hpp"
#include "kernels/generic/rope.hpp"
#include "kernels/generic/softmax.hpp"
#include "kernels/generic/activation.hpp"
#include "kernels/generic/kv_store.hpp"
#include "kernels/generic/attention_types.hpp"
#include "kernels/generic/attention_softmax.hpp"
#include "kernels/generic/attention_tiles.hpp"
#include "kernels/generic/attention_scores.hpp"
#include "kernels/generic/attention_values.hpp"
#include "kernels/generic/attention_range.hpp"
#include "kernels/generic/latent_keys.hpp"
#include "kernels/generic/index_scores.hpp"
#include "kernels/generic/convolution.hpp"
#include "kernels/generic/weighted_sum.hpp"
#include "kernels/generic/delta_rule.hpp"
#include "kernels/generic/state_scan.hpp"
#include "kernels/generic/vector_table.hpp"
// clang-format on
