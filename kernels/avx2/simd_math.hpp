// What element-wise kernels need beyond simd.hpp, in the avx2 tier. Included inside the tier's region.

struct F64x16 {
  __m256d v[4];
};  // 16 doubles, for sums and arguments that f32 cannot hold
struct Mask16 {
  __m256 lo, hi;
};  // all bits of a lane, or none

PLUMB_INLINE F32x16 add(F32x16 a, F32x16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 sub(F32x16 a, F32x16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 div(F32x16 a, F32x16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
// Where an operand is NaN, max and min answer b.
PLUMB_INLINE F32x16 max(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 min(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
PLUMB_INLINE F32x16 negate(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_xor_ps(sign, a.lo), _mm256_xor_ps(sign, a.hi)};
}
// |a| with the sign of b.
PLUMB_INLINE F32x16 copy_sign(F32x16 a, F32x16 b) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign, a.lo), _mm256_and_ps(sign, b.lo)),
          _mm256_or_ps(_mm256_andnot_ps(sign, a.hi), _mm256_and_ps(sign, b.hi))};
}
PLUMB_INLINE F32x16 round(F32x16 a) {
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT), _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT)};
}
// 2^n for integral n in the range of normal numbers.
PLUMB_INLINE __m256 power_of_two(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
PLUMB_INLINE __m256 scale_by_power(__m256 a, __m256 n) {  // an exact step, then a rounded one
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  return _mm256_mul_ps(_mm256_mul_ps(a, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}
// a * 2^n for integral n in [-250, 128] and normal a, correctly rounded, denormal results included.
PLUMB_INLINE F32x16 scale_by_power(F32x16 a, F32x16 n) {
  return {scale_by_power(a.lo, n.lo), scale_by_power(a.hi, n.hi)};
}

PLUMB_INLINE Mask16 less(F32x16 a, F32x16 b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
PLUMB_INLINE F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
PLUMB_INLINE __m256 lanes_between(__m256i lane, int begin, int end) {
  return _mm256_castsi256_ps(_mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(begin), lane),
                                                 _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane)));
}
// Lanes begin <= i < end; the bounds may lie outside 0..16.
PLUMB_INLINE Mask16 lanes_between(int begin, int end) {
  const __m256i low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {lanes_between(low, begin, end), lanes_between(_mm256_add_epi32(low, _mm256_set1_epi32(8)), begin, end)};
}

// ((0+8) + (4+12)) ... : the same tree in every tier.
PLUMB_INLINE float reduce_add(F32x16 a) {
  const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}

PLUMB_INLINE void store_f16(void* p, F32x16 a) {
  constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT;
  __m128i* const h = static_cast<__m128i*>(p);
  _mm_storeu_si128(h, _mm256_cvtps_ph(a.lo, kRounding));
  _mm_storeu_si128(h + 1, _mm256_cvtps_ph(a.hi, kRounding));
}

// Neighbours exchanged: 1 0 3 2 ...
PLUMB_INLINE F32x16 swap_pairs(F32x16 a) { return {_mm256_permute_ps(a.lo, 0xB1), _mm256_permute_ps(a.hi, 0xB1)}; }
// Lanes 0 0 1 1 ... 7 7.
PLUMB_INLINE F32x16 twice_low(F32x16 a) {
  return {_mm256_permutevar8x32_ps(a.lo, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3)),
          _mm256_permutevar8x32_ps(a.lo, _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7))};
}

PLUMB_INLINE F64x16 splat_f64(double x) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_set1_pd(x);
  return r;
}
PLUMB_INLINE F64x16 zero_f64() {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_setzero_pd();
  return r;
}
PLUMB_INLINE F64x16 add(F64x16 a, F64x16 b) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_add_pd(a.v[i], b.v[i]);
  return r;
}
PLUMB_INLINE F64x16 sub(F64x16 a, F64x16 b) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_sub_pd(a.v[i], b.v[i]);
  return r;
}
PLUMB_INLINE F64x16 mul(F64x16 a, F64x16 b) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_mul_pd(a.v[i], b.v[i]);
  return r;
}
PLUMB_INLINE F64x16 max(F64x16 a, F64x16 b) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_max_pd(a.v[i], b.v[i]);
  return r;
}
PLUMB_INLINE F64x16 min(F64x16 a, F64x16 b) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_min_pd(a.v[i], b.v[i]);
  return r;
}
PLUMB_INLINE F64x16 mul_add(F64x16 a, F64x16 b, F64x16 c) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_fmadd_pd(a.v[i], b.v[i], c.v[i]);
  return r;
}
PLUMB_INLINE F64x16 round(F64x16 a) {
  F64x16 r;
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) r.v[i] = _mm256_round_pd(a.v[i], _MM_FROUND_TO_NEAREST_INT);
  return r;
}
PLUMB_INLINE F64x16 to_f64(F32x16 a) {
  return {{_mm256_cvtps_pd(_mm256_castps256_ps128(a.lo)), _mm256_cvtps_pd(_mm256_extractf128_ps(a.lo, 1)),
           _mm256_cvtps_pd(_mm256_castps256_ps128(a.hi)), _mm256_cvtps_pd(_mm256_extractf128_ps(a.hi, 1))}};
}
PLUMB_INLINE F32x16 to_f32(F64x16 a) {
  return {_mm256_set_m128(_mm256_cvtpd_ps(a.v[1]), _mm256_cvtpd_ps(a.v[0])),
          _mm256_set_m128(_mm256_cvtpd_ps(a.v[3]), _mm256_cvtpd_ps(a.v[2]))};
}
PLUMB_INLINE double reduce_add(F64x16 a) {
  const __m256d s4 = _mm256_add_pd(_mm256_add_pd(a.v[0], a.v[2]), _mm256_add_pd(a.v[1], a.v[3]));
  const __m128d s2 = _mm_add_pd(_mm256_castpd256_pd128(s4), _mm256_extractf128_pd(s4, 1));
  return _mm_cvtsd_f64(_mm_add_sd(s2, _mm_unpackhi_pd(s2, s2)));
}

// Register tiles of attention: rows at once, and vectors of keys or of value dimensions for so many rows. Of the 16
// registers, 2 x rows x vectors are accumulators, 2 hold an operand (or its halves in turn) and one a broadcast.
constexpr int kAttentionRows = 4;
constexpr int attention_vectors(int rows) { return rows == 1 ? 4 : rows == 2 ? 3 : rows == 3 ? 2 : 1; }
static_assert(2 * 4 * attention_vectors(4) + 3 <= 16 && 2 * 3 * attention_vectors(3) + 3 <= 16);

// Blocks of 16 columns that the delta rule takes at once: as many as leave every sum a register.
constexpr int kDeltaBlocks = 1;
