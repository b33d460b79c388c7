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
// Two rows of 16 values as 16 pairs: lane i holds bf16 (first[i], second[i]).
PLUMB_INLINE F32x16 pair_rows(F32x16 first, F32x16 second) {
  const __m512i turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                        5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return {
      _mm512_castsi512_ps(_mm512_permutexvar_epi16(turn, _mm512_castps_si512(round_to_bf16_pairs(first, second).v)))};
}
// Four rows of 8 values as pairs of rows: | 8 pairs of rows 0 and 1 | 8 pairs of rows 2 and 3 |.
PLUMB_INLINE F32x16 pair_short_rows(F32x16 rows01, F32x16 rows23) {
  const __m512i turn = _mm512_set_epi16(31, 23, 30, 22, 29, 21, 28, 20, 27, 19, 26, 18, 25, 17, 24, 16, 15, 7, 14, 6,
                                        13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
  return {
      _mm512_castsi512_ps(_mm512_permutexvar_epi16(turn, _mm512_castps_si512(round_to_bf16_pairs(rows01, rows23).v)))};
}

// Chains of the probe: two ports of latency 5 or 6.
constexpr int kProbeBf16Chains = 12;
