// Opens the scalar tier: everything up to end.hpp is compiled for it and lives in its namespace.
// System headers must have been included before. No OpenMP, no lambdas, no Eigen inside.
namespace plumb::inline PLUMB_ABI::kernels::scalar {
