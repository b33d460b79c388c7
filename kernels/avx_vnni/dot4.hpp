// dot4 is one instruction per half here: the VEX form of VPDPBUSD. It has no broadcast operand; the broadcast is a load
// of its own, which costs no arithmetic port and serves both halves.

static constexpr bool kOneDot = true;  // codes of any size have the same dot

PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  const __m256i codes = broadcast_i32(a).lo;
  return {_mm256_dpbusd_avx_epi32(acc.lo, w.lo, codes), _mm256_dpbusd_avx_epi32(acc.hi, w.hi, codes)};
}
PLUMB_INLINE I32x16 dot4_small(I32x16 acc, U8x64 w, const std::byte* a) { return dot4(acc, w, a); }
