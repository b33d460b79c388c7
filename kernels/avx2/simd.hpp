// The SIMD wrapper of the avx2 tier: two 256-bit registers per value (rows 0-7 and 8-15 of a panel).

#undef PLUMB_UNROLL
#define PLUMB_UNROLL(n) PLUMB_UNROLL_FULLY(n)

struct F32x16 {
  __m256 lo, hi;
};
struct I32x16 {
  __m256i lo, hi;
};
struct U8x64 {
  __m256i lo, hi;
};

PLUMB_INLINE __m256i load_256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
PLUMB_INLINE __m128i load_128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
PLUMB_INLINE __m128i load_64(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
PLUMB_INLINE const char* at(const void* p, int bytes) { return static_cast<const char*>(p) + bytes; }
PLUMB_INLINE __m256i first_lanes(std::int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

PLUMB_INLINE F32x16 zero_f32() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
PLUMB_INLINE F32x16 broadcast_f32(const float* p) { return {_mm256_broadcast_ss(p), _mm256_broadcast_ss(p)}; }
PLUMB_INLINE F32x16 splat_f32(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
PLUMB_INLINE F32x16 load_f32(const void* p) {
  const float* f = static_cast<const float*>(p);
  return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
}
PLUMB_INLINE F32x16 load_f16(const void* p) {
  return {_mm256_cvtph_ps(load_128(p)), _mm256_cvtph_ps(load_128(at(p, 16)))};
}
PLUMB_INLINE F32x16 load_bf16_even(const void* p) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(load_256(p), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(load_256(at(p, 32)), 16))};
}
PLUMB_INLINE F32x16 load_bf16_odd(const void* p) {  // shifts, since a mask would take a register
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_srli_epi32(load_256(p), 16), 16)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_srli_epi32(load_256(at(p, 32)), 16), 16))};
}
PLUMB_INLINE void store_f32(float* p, F32x16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
PLUMB_INLINE F32x16 load_f32_first(const float* p, std::int64_t n) {
  F32x16 a = zero_f32();
  a.lo = _mm256_maskload_ps(p, first_lanes(n));
  if (n > 8) a.hi = _mm256_maskload_ps(p + 8, first_lanes(n - 8));
  return a;
}
PLUMB_INLINE void store_f32_first(float* p, F32x16 a, std::int64_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), a.lo);
  if (n > 8) _mm256_maskstore_ps(p + 8, first_lanes(n - 8), a.hi);
}
PLUMB_INLINE F32x16 mul(F32x16 a, F32x16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 mul_add(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
PLUMB_INLINE F32x16 neg_mul_add(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
PLUMB_INLINE F32x16 to_f32(I32x16 a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }

PLUMB_INLINE I32x16 zero_i32() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
PLUMB_INLINE I32x16 splat_i32(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
PLUMB_INLINE I32x16 broadcast_i32(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return splat_i32(x);
}
PLUMB_INLINE I32x16 load_i32(const void* p) { return {load_256(p), load_256(at(p, 32))}; }
PLUMB_INLINE I32x16 load_i8_as_i32(const void* p) {
  return {_mm256_cvtepi8_epi32(load_64(p)), _mm256_cvtepi8_epi32(load_64(at(p, 8)))};
}
PLUMB_INLINE I32x16 load_u8_as_i32(const void* p) {
  return {_mm256_cvtepu8_epi32(load_64(p)), _mm256_cvtepu8_epi32(load_64(at(p, 8)))};
}
PLUMB_INLINE I32x16 load_u16_as_i32(const void* p) {
  return {_mm256_cvtepu16_epi32(load_128(p)), _mm256_cvtepu16_epi32(load_128(at(p, 16)))};
}
PLUMB_INLINE I32x16 bit_and(I32x16 a, std::int32_t mask) {
  const __m256i m = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(a.lo, m), _mm256_and_si256(a.hi, m)};
}
PLUMB_INLINE I32x16 bit_or(I32x16 a, I32x16 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
PLUMB_INLINE I32x16 add(I32x16 a, I32x16 b) { return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)}; }
PLUMB_INLINE I32x16 shift_right(I32x16 a, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi32(a.lo, count), _mm256_srl_epi32(a.hi, count)};
}
template <int Bits>
PLUMB_INLINE I32x16 shift_right_signed(I32x16 a) {
  return {_mm256_srai_epi32(a.lo, Bits), _mm256_srai_epi32(a.hi, Bits)};
}
PLUMB_INLINE I32x16 shift_left(I32x16 a, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_sll_epi32(a.lo, count), _mm256_sll_epi32(a.hi, count)};
}
PLUMB_INLINE F32x16 bits_to_f32(I32x16 a) { return {_mm256_castsi256_ps(a.lo), _mm256_castsi256_ps(a.hi)}; }

PLUMB_INLINE U8x64 load_u8(const void* p) { return {load_256(p), load_256(at(p, 32))}; }
PLUMB_INLINE void store_u8(void* p, U8x64 a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), a.lo);
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, a.hi);
}
PLUMB_INLINE U8x64 bit_and(U8x64 a, std::uint8_t mask) {
  const __m256i m = _mm256_set1_epi8(static_cast<char>(mask));
  return {_mm256_and_si256(a.lo, m), _mm256_and_si256(a.hi, m)};
}
PLUMB_INLINE U8x64 bit_or(U8x64 a, U8x64 b) { return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)}; }
PLUMB_INLINE U8x64 add_u8(U8x64 a, std::uint8_t x) {
  const __m256i v = _mm256_set1_epi8(static_cast<char>(x));
  return {_mm256_add_epi8(a.lo, v), _mm256_add_epi8(a.hi, v)};
}
// Shifts move whole 16-bit lanes: bits that cross into the neighbouring byte must be masked away afterwards.
PLUMB_INLINE U8x64 shift_right16(U8x64 a, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_srl_epi16(a.lo, count), _mm256_srl_epi16(a.hi, count)};
}
PLUMB_INLINE U8x64 shift_left16(U8x64 a, int n) {
  const __m128i count = _mm_cvtsi32_si128(n);
  return {_mm256_sll_epi16(a.lo, count), _mm256_sll_epi16(a.hi, count)};
}
// table[a] for every byte a in 0..15.
PLUMB_INLINE U8x64 look_up16(const std::uint8_t* table, U8x64 a) {
  const __m256i t = _mm256_broadcastsi128_si256(load_128(table));
  return {_mm256_shuffle_epi8(t, a.lo), _mm256_shuffle_epi8(t, a.hi)};
}

PLUMB_INLINE F32x16 larger_of(F32x16 a, F32x16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
PLUMB_INLINE F32x16 smaller_of(F32x16 a, F32x16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
PLUMB_INLINE float reduce_max(F32x16 a) {
  const __m256 m8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 m4 = _mm_max_ps(_mm256_castps256_ps128(m8), _mm256_extractf128_ps(m8, 1));
  const __m128 m2 = _mm_max_ps(m4, _mm_movehl_ps(m4, m4));
  return _mm_cvtss_f32(_mm_max_ss(m2, _mm_movehdup_ps(m2)));
}
PLUMB_INLINE float sum_of(F32x16 a) {
  const __m256 s8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
}
PLUMB_INLINE I32x16 round_to_i32(F32x16 a) {
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}  // to nearest even
PLUMB_INLINE std::int32_t reduce_add(I32x16 a) {
  const __m256i s8 = _mm256_add_epi32(a.lo, a.hi);
  const __m128i s4 = _mm_add_epi32(_mm256_castsi256_si128(s8), _mm256_extracti128_si256(s8, 1));
  const __m128i s2 = _mm_add_epi32(s4, _mm_unpackhi_epi64(s4, s4));
  return _mm_cvtsi128_si32(_mm_add_epi32(s2, _mm_shuffle_epi32(s2, 1)));
}
// The sum of 16 signed bytes: raised by 128, summed by the absolute differences from zero.
PLUMB_INLINE std::int32_t sum_of_i8(__m128i codes) {
  const __m128i raised = _mm_xor_si128(codes, _mm_set1_epi8(-128));
  const __m128i halves = _mm_sad_epu8(raised, _mm_setzero_si128());
  return _mm_cvtsi128_si32(_mm_add_epi32(halves, _mm_unpackhi_epi64(halves, halves))) - 16 * 128;
}
PLUMB_INLINE std::int32_t store_as_i8(void* p, I32x16 a) {
  const __m128i lo = _mm_packs_epi32(_mm256_castsi256_si128(a.lo), _mm256_extracti128_si256(a.lo, 1));
  const __m128i hi = _mm_packs_epi32(_mm256_castsi256_si128(a.hi), _mm256_extracti128_si256(a.hi, 1));
  const __m128i codes = _mm_packs_epi16(lo, hi);
  _mm_storeu_si128(static_cast<__m128i*>(p), codes);
  return sum_of_i8(codes);
}
PLUMB_INLINE bool any_at_least(F32x16 a, float bound) {
  const __m256 least = _mm256_set1_ps(bound);
  return _mm256_movemask_ps(
             _mm256_or_ps(_mm256_cmp_ps(a.lo, least, _CMP_GE_OQ), _mm256_cmp_ps(a.hi, least, _CMP_GE_OQ))) != 0;
}

// 8 vectors of 8 lanes as a matrix, turned: 2 x 2 floats, then 2 x 2 pairs, within each 128-bit lane, then the lanes.
PLUMB_INLINE void transpose_8(__m256 (&m)[8]) {
  __m256 t[8], u[8];
  PLUMB_UNROLL(4)
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(m[i], m[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(m[i], m[i + 1]);
  }
  PLUMB_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    const int from = i / 2 * 4 + i % 2, to = i / 2 * 4 + i % 2 * 2;
    const __m256d a = _mm256_castps_pd(t[from]), b = _mm256_castps_pd(t[from + 2]);
    u[to] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
    u[to + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
  }
  PLUMB_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    m[j] = _mm256_permute2f128_ps(u[j], u[j + 4], 0x20);
    m[j + 4] = _mm256_permute2f128_ps(u[j], u[j + 4], 0x31);
  }
}
// 16 vectors of 16 lanes as a matrix, turned: four quarters of 8 x 8, of which two change places.
PLUMB_INLINE void transpose(F32x16 (&m)[16]) {
  __m256 quarter[4][8];
  PLUMB_UNROLL(8)
  for (int i = 0; i < 8; ++i) {
    quarter[0][i] = m[i].lo;
    quarter[1][i] = m[i].hi;
    quarter[2][i] = m[i + 8].lo;
    quarter[3][i] = m[i + 8].hi;
  }
  PLUMB_UNROLL(4)
  for (int q = 0; q < 4; ++q) transpose_8(quarter[q]);
  PLUMB_UNROLL(8)
  for (int i = 0; i < 8; ++i) {
    m[i] = {quarter[0][i], quarter[2][i]};
    m[i + 8] = {quarter[1][i], quarter[3][i]};
  }
}

// Register tile of the float products: columns at once, and vectors of 16 for accumulators and weights. A broadcast and
// a temporary take the rest.
static constexpr int kFloatTileCols = 6, kFloatVectors = 7;

// Chains of the probe: two ports of latency 4 need 8 registers of 256 bits, a chain is two.
constexpr int kProbeF32Chains = 5;
