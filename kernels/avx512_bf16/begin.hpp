// Opens the avx512_bf16 tier: everything up to end.hpp is compiled for it and lives in its namespace.
// System headers must have been included before. No OpenMP, no lambdas, no Eigen inside.
#if defined(__clang__)
#pragma clang attribute push(                                                                          \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")
#endif
namespace plumb::inline PLUMB_ABI::kernels::avx512_bf16 {
