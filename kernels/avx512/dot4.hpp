// dot4 without VNNI: bytes are widened to 16 bits (even and odd k apart), so that no product sum can saturate.

static constexpr bool kOneDot = false;  // codes of at most 7 bits have a faster dot

// acc[r] += sum over 4 k of w[r, k] * a[k]; w unsigned, a signed, exact for every pair of bytes.
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  const __m512i codes = broadcast_i32(a).v;
  const __m512i w_even = _mm512_and_si512(w.v, _mm512_set1_epi16(0xFF));
  const __m512i w_odd = _mm512_srli_epi16(w.v, 8);
  const __m512i a_even = _mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 8);
  const __m512i a_odd = _mm512_srai_epi16(codes, 8);
  const __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(w_even, a_even), _mm512_madd_epi16(w_odd, a_odd));
  return {_mm512_add_epi32(acc.v, sum)};
}
// The same for weights of at most 7 bits: two products of a byte pair then fit 16 bits (2 * 127 * 128 = 32512).
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) {
  const __m512i pairs = _mm512_maddubs_epi16(w.v, broadcast_i32(a).v);
  return {_mm512_add_epi32(acc.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
}
