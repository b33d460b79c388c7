// The search kernels of the quantizers, in order: what a tier includes inside its region after its search_lanes.hpp.
// clang-format off
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
// clang-format on
