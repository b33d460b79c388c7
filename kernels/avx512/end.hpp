// Closes the avx512 tier.
}  // namespace plumb::kernels::avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
