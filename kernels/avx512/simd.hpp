// The SIMD wrapper of the avx512 tiers: one 512-bit register per value. Included inside a tier's region.
// The three value types are the same in every tier; only their registers differ.

#undef PLUMB_UNROLL
#define PLUMB_UNROLL(n) PLUMB_UNROLL_FULLY(n)

struct F32x16 {
  __m512 v;
};  // one float per row of a panel
struct I32x16 {
  __m512i v;
};  // one int32 per row of a panel
struct U8x64 {
  __m512i v;
};  // 4 bytes per row of a panel

PLUMB_INLINE F32x16 zero_f32() { return {_mm512_setzero_ps()}; }
PLUMB_INLINE F32x16 broadcast_f32(const float* p) { return {_mm512_set1_ps(*p)}; }
PLUMB_INLINE F32x16 splat_f32(float x) { return {_mm512_set1_ps(x)}; }
PLUMB_INLINE F32x16 load_f32(const void* p) { return {_mm512_loadu_ps(p)}; }
PLUMB_INLINE F32x16 load_f16(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
// The even (first) and odd (second) k of a pair vector of bfloat16: 16 lanes x 2 values.
PLUMB_INLINE F32x16 load_bf16_even(const void* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16))};
}
PLUMB_INLINE F32x16 load_bf16_odd(const void* p) {
  return {
      _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xFFFF0000))))};
}
PLUMB_INLINE void store_f32(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
PLUMB_INLINE F32x16 load_f32_first(const float* p, std::int64_t n) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p)};
}
PLUMB_INLINE void store_f32_first(float* p, F32x16 a, std::int64_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), a.v);
}
PLUMB_INLINE F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 mul_add(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }       // a*b + c
PLUMB_INLINE F32x16 neg_mul_add(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a*b
PLUMB_INLINE F32x16 to_f32(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }

PLUMB_INLINE I32x16 zero_i32() { return {_mm512_setzero_si512()}; }
PLUMB_INLINE I32x16 splat_i32(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
PLUMB_INLINE I32x16 broadcast_i32(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return {_mm512_set1_epi32(x)};
}
PLUMB_INLINE I32x16 load_i32(const void* p) { return {_mm512_loadu_si512(p)}; }
PLUMB_INLINE I32x16 load_i8_as_i32(const void* p) {
  return {_mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))};
}
PLUMB_INLINE I32x16 load_u8_as_i32(const void* p) {
  return {_mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)))};
}
PLUMB_INLINE I32x16 load_u16_as_i32(const void* p) {
  return {_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
PLUMB_INLINE I32x16 bit_and(I32x16 a, std::int32_t mask) { return {_mm512_and_si512(a.v, _mm512_set1_epi32(mask))}; }
PLUMB_INLINE I32x16 bit_or(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
PLUMB_INLINE I32x16 add(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
PLUMB_INLINE I32x16 shift_right(I32x16 a, int n) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(n))}; }
template <int Bits>
PLUMB_INLINE I32x16 shift_right_signed(I32x16 a) {
  return {_mm512_srai_epi32(a.v, Bits)};
}
PLUMB_INLINE I32x16 shift_left(I32x16 a, int n) { return {_mm512_sll_epi32(a.v, _mm_cvtsi32_si128(n))}; }
PLUMB_INLINE F32x16 bits_to_f32(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }

PLUMB_INLINE U8x64 load_u8(const void* p) { return {_mm512_loadu_si512(p)}; }
PLUMB_INLINE void store_u8(void* p, U8x64 a) { _mm512_storeu_si512(p, a.v); }
PLUMB_INLINE U8x64 bit_and(U8x64 a, std::uint8_t mask) {
  return {_mm512_and_si512(a.v, _mm512_set1_epi8(static_cast<char>(mask)))};
}
PLUMB_INLINE U8x64 bit_or(U8x64 a, U8x64 b) { return {_mm512_or_si512(a.v, b.v)}; }
PLUMB_INLINE U8x64 add_u8(U8x64 a, std::uint8_t x) {
  return {_mm512_add_epi8(a.v, _mm512_set1_epi8(static_cast<char>(x)))};
}
// Shifts move whole 16-bit lanes: bits that cross into the neighbouring byte must be masked away afterwards.
PLUMB_INLINE U8x64 shift_right16(U8x64 a, int n) { return {_mm512_srl_epi16(a.v, _mm_cvtsi32_si128(n))}; }
PLUMB_INLINE U8x64 shift_left16(U8x64 a, int n) { return {_mm512_sll_epi16(a.v, _mm_cvtsi32_si128(n))}; }
// table[a] for every byte a in 0..15.
PLUMB_INLINE U8x64 look_up16(const std::uint8_t* table, U8x64 a) {
  const __m128i t = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), a.v)};
}

PLUMB_INLINE F32x16 larger_of(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
PLUMB_INLINE F32x16 smaller_of(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
PLUMB_INLINE float reduce_max(F32x16 a) { return _mm512_reduce_max_ps(a.v); }
PLUMB_INLINE float sum_of(F32x16 a) { return _mm512_reduce_add_ps(a.v); }
PLUMB_INLINE I32x16 round_to_i32(F32x16 a) { return {_mm512_cvtps_epi32(a.v)}; }  // to nearest even
PLUMB_INLINE std::int32_t reduce_add(I32x16 a) { return _mm512_reduce_add_epi32(a.v); }
// The sum of 16 signed bytes: raised by 128, summed by the absolute differences from zero.
PLUMB_INLINE std::int32_t sum_of_i8(__m128i codes) {
  const __m128i raised = _mm_xor_si128(codes, _mm_set1_epi8(-128));
  const __m128i halves = _mm_sad_epu8(raised, _mm_setzero_si128());
  return _mm_cvtsi128_si32(_mm_add_epi32(halves, _mm_unpackhi_epi64(halves, halves))) - 16 * 128;
}
PLUMB_INLINE std::int32_t store_as_i8(void* p, I32x16 a) {
  const __m128i codes = _mm512_cvtepi32_epi8(a.v);
  _mm_storeu_si128(static_cast<__m128i*>(p), codes);
  return sum_of_i8(codes);
}
PLUMB_INLINE bool any_at_least(F32x16 a, float bound) {
  return _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(bound), _CMP_GE_OQ) != 0;
}

// 16 vectors of 16 lanes as a matrix, turned: 2 x 2 floats, then 2 x 2 pairs, within each 128-bit lane, then the lanes.
PLUMB_INLINE void transpose(F32x16 (&m)[16]) {
  __m512 t[16];
  PLUMB_UNROLL(8)
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(m[i].v, m[i + 1].v);
    t[i + 1] = _mm512_unpackhi_ps(m[i].v, m[i + 1].v);
  }
  __m512 u[16];  // u[4 q + j]: of rows 4 q ... 4 q + 3 the columns j, j + 4, j + 8, j + 12
  PLUMB_UNROLL(8)
  for (int i = 0; i < 8; ++i) {
    const int from = i / 2 * 4 + i % 2, to = i / 2 * 4 + i % 2 * 2;
    const __m512d a = _mm512_castps_pd(t[from]), b = _mm512_castps_pd(t[from + 2]);
    u[to] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    u[to + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
  }
  PLUMB_UNROLL(4)
  for (int j = 0; j < 4; ++j) {
    const __m512 low_even = _mm512_shuffle_f32x4(u[j], u[j + 4], 0x88);
    const __m512 low_odd = _mm512_shuffle_f32x4(u[j], u[j + 4], 0xDD);
    const __m512 high_even = _mm512_shuffle_f32x4(u[j + 8], u[j + 12], 0x88);
    const __m512 high_odd = _mm512_shuffle_f32x4(u[j + 8], u[j + 12], 0xDD);
    m[j].v = _mm512_shuffle_f32x4(low_even, high_even, 0x88);
    m[j + 4].v = _mm512_shuffle_f32x4(low_odd, high_odd, 0x88);
    m[j + 8].v = _mm512_shuffle_f32x4(low_even, high_even, 0xDD);
    m[j + 12].v = _mm512_shuffle_f32x4(low_odd, high_odd, 0xDD);
  }
}

// Register tile of the float products: columns at once, and vectors for accumulators and weights.
static constexpr int kFloatTileCols = 8, kFloatVectors = 18;

// Chains of the probe: two ports of latency 4 need 8.
constexpr int kProbeF32Chains = 12;
