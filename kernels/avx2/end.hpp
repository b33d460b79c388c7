// Closes the avx2 tier.
}  // namespace plumb::kernels::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
