// dot2, the one operation that this tier adds: a lane holds the bf16 values of k and k + 1 and sums both products.

// acc[r] = fma(w[r, k], x[k], fma(w[r, k+1], x[k+1], acc[r])): VDPBF16PS adds the odd k first, rounds to nearest even
// after each of the two, whatever MXCSR says, takes denormal operands for zero and flushes denormal results to zero
// (Intel SDM vol. 2, VDPBF16PS; a Zen 5 core gave these bits for 2 million random operands).
PLUMB_INLINE F32x16 dot2(F32x16 acc, F32x16 w, F32x16 x) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)w.v, (__m512bh)x.v)};
}
// 32 consecutive values as 16 pairs of bf16, rounded to nearest even; denormals become zero.
PLUMB_INLINE F32x16 round_to_bf16_pairs(F32x16 first, F32x16 second) {
  return {(__m512)_mm512_cvtne2ps_pbh(second.v, first.v)};
}
