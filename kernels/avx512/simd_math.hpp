// What element-wise kernels need beyond simd.hpp, in the avx512 tiers. Included inside a tier's region.

struct F64x16 {
  __m512d lo, hi;
};  // 16 doubles, for sums and arguments that f32 cannot hold
struct Mask16 {
  __mmask16 m;
};

PLUMB_INLINE F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
// Where an operand is NaN, max and min answer b.
PLUMB_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
PLUMB_INLINE F32x16 negate(F32x16 a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
// |a| with the sign of b.
PLUMB_INLINE F32x16 copy_sign(F32x16 a, F32x16 b) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(sign, a.v), _mm512_and_ps(sign, b.v))};
}
PLUMB_INLINE F32x16 round(F32x16 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)}; }
// a * 2^n for integral n in [-250, 128], correctly rounded, denormal results included.
PLUMB_INLINE F32x16 scale_by_power(F32x16 a, F32x16 n) { return {_mm512_scalef_ps(a.v, n.v)}; }

PLUMB_INLINE Mask16 less(F32x16 a, F32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
PLUMB_INLINE F32x16 select(Mask16 m, F32x16 yes, F32x16 no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }
// Lanes begin <= i < end; the bounds may lie outside 0..16.
PLUMB_INLINE Mask16 lanes_between(int begin, int end) {
  const unsigned below_end = end >= 16 ? 0xFFFFu : end <= 0 ? 0u : (1u << end) - 1;
  const unsigned below_begin = begin >= 16 ? 0xFFFFu : begin <= 0 ? 0u : (1u << begin) - 1;
  return {static_cast<__mmask16>(below_end & ~below_begin)};
}

// ((0+8) + (4+12)) ... : the same tree in every tier.
PLUMB_INLINE float reduce_add(F32x16 a) {
  const __m256 s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

PLUMB_INLINE void store_f16(void* p, F32x16 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

// Neighbours exchanged: 1 0 3 2 ...
PLUMB_INLINE F32x16 swap_pairs(F32x16 a) { return {_mm512_permute_ps(a.v, 0xB1)}; }
// Lanes 0 0 1 1 ... 7 7.
PLUMB_INLINE F32x16 twice_low(F32x16 a) {
  return {_mm512_permutexvar_ps(_mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7), a.v)};
}

PLUMB_INLINE F64x16 zero_f64() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
PLUMB_INLINE F64x16 splat_f64(double x) { return {_mm512_set1_pd(x), _mm512_set1_pd(x)}; }
PLUMB_INLINE F64x16 to_f64(F32x16 a) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))};
}
PLUMB_INLINE F32x16 to_f32(F64x16 a) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(a.lo)), _mm512_cvtpd_ps(a.hi), 1)};
}
PLUMB_INLINE F64x16 add(F64x16 a, F64x16 b) { return {_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)}; }
PLUMB_INLINE F64x16 sub(F64x16 a, F64x16 b) { return {_mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi)}; }
PLUMB_INLINE F64x16 mul(F64x16 a, F64x16 b) { return {_mm512_mul_pd(a.lo, b.lo), _mm512_mul_pd(a.hi, b.hi)}; }
PLUMB_INLINE F64x16 max(F64x16 a, F64x16 b) { return {_mm512_max_pd(a.lo, b.lo), _mm512_max_pd(a.hi, b.hi)}; }
PLUMB_INLINE F64x16 min(F64x16 a, F64x16 b) { return {_mm512_min_pd(a.lo, b.lo), _mm512_min_pd(a.hi, b.hi)}; }
PLUMB_INLINE F64x16 mul_add(F64x16 a, F64x16 b, F64x16 c) {
  return {_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}
PLUMB_INLINE F64x16 round(F64x16 a) {
  return {_mm512_roundscale_pd(a.lo, _MM_FROUND_TO_NEAREST_INT), _mm512_roundscale_pd(a.hi, _MM_FROUND_TO_NEAREST_INT)};
}
PLUMB_INLINE double reduce_add(F64x16 a) {
  const __m512d s8 = _mm512_add_pd(a.lo, a.hi);
  const __m256d s4 = _mm256_add_pd(_mm512_castpd512_pd256(s8), _mm512_extractf64x4_pd(s8, 1));
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}

// Register tiles of attention: rows at once, and vectors of keys or of value dimensions for so many rows. Of the 32
// registers, rows x vectors are accumulators, `vectors` hold operands and one a broadcast.
constexpr int kAttentionRows = 8;
constexpr int attention_vectors(int rows) { return rows <= 6 ? 4 : 3; }
static_assert(6 * attention_vectors(6) + attention_vectors(6) + 1 <= 32);
static_assert(8 * attention_vectors(8) + attention_vectors(8) + 1 <= 32);

// Blocks of 16 columns that the delta rule takes at once: as many as leave every sum a register.
constexpr int kDeltaBlocks = 2;
