// Closes the avx512_bf16 tier.
}  // namespace plumb::kernels::avx512_bf16
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
