// Closes the avx_vnni tier.
}  // namespace plumb::kernels::avx_vnni
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
