// The SIMD wrapper of the scalar tier: arrays and plain loops, for any machine. The compiler vectorizes what it can.

#undef PLUMB_UNROLL
#define PLUMB_UNROLL(n)
#undef PLUMB_INLINE
#define PLUMB_INLINE static inline

struct F32x16 {
  float v[16];
};
struct I32x16 {
  std::int32_t v[16];
};
struct U8x64 {
  std::uint8_t v[64];
};

#define PLUMB_EACH(n, expression) \
  for (int i = 0; i < (n); ++i) (expression)
PLUMB_INLINE F32x16 zero_f32() { return {}; }
PLUMB_INLINE F32x16 broadcast_f32(const float* p) {
  F32x16 r;
  const float x = *p;
  PLUMB_EACH(16, r.v[i] = x);
  return r;
}
PLUMB_INLINE F32x16 splat_f32(float x) { return broadcast_f32(&x); }
PLUMB_INLINE F32x16 load_f32(const void* p) {
  F32x16 r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
PLUMB_INLINE F32x16 load_f16(const void* p) {
  Half h[16];
  std::memcpy(h, p, sizeof h);
  F32x16 r;
  PLUMB_EACH(16, r.v[i] = to_float(h[i]));
  return r;
}
PLUMB_INLINE I32x16 load_i32(const void* p) {
  I32x16 r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
PLUMB_INLINE F32x16 bits_to_f32(I32x16 a) {
  F32x16 r;
  std::memcpy(&r, &a, sizeof r);
  return r;
}
PLUMB_INLINE I32x16 bit_and(I32x16 a, std::int32_t mask) {
  PLUMB_EACH(16, a.v[i] &= mask);
  return a;
}
template <int Bits>
PLUMB_INLINE I32x16 shift_right_signed(I32x16 a) {
  for (std::int32_t& x : a.v) x >>= Bits;
  return a;
}
PLUMB_INLINE I32x16 shift_left(I32x16 a, int n) {
  PLUMB_EACH(16, a.v[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[i]) << n));
  return a;
}
PLUMB_INLINE I32x16 shift_right(I32x16 a, int n) {
  PLUMB_EACH(16, a.v[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(a.v[i]) >> n));
  return a;
}
PLUMB_INLINE F32x16 load_bf16_even(const void* p) { return bits_to_f32(shift_left(load_i32(p), 16)); }
PLUMB_INLINE F32x16 load_bf16_odd(const void* p) {
  return bits_to_f32(bit_and(load_i32(p), static_cast<std::int32_t>(0xFFFF0000)));
}
PLUMB_INLINE void store_f32(float* p, F32x16 a) { std::memcpy(p, &a, sizeof a); }
PLUMB_INLINE F32x16 load_f32_first(const float* p, std::int64_t n) {
  F32x16 r{};
  for (std::int64_t i = 0; i < n; ++i) r.v[i] = p[i];
  return r;
}
PLUMB_INLINE void store_f32_first(float* p, F32x16 a, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = a.v[i];
}
PLUMB_INLINE F32x16 mul(F32x16 a, F32x16 b) {
  PLUMB_EACH(16, a.v[i] *= b.v[i]);
  return a;
}
PLUMB_INLINE F32x16 mul_add(F32x16 a, F32x16 b, F32x16 c) {  // two roundings: a fused one is a library call here
  PLUMB_EACH(16, c.v[i] += a.v[i] * b.v[i]);
  return c;
}
PLUMB_INLINE F32x16 neg_mul_add(F32x16 a, F32x16 b, F32x16 c) {
  PLUMB_EACH(16, c.v[i] -= a.v[i] * b.v[i]);
  return c;
}
PLUMB_INLINE F32x16 to_f32(I32x16 a) {
  F32x16 r;
  PLUMB_EACH(16, r.v[i] = static_cast<float>(a.v[i]));
  return r;
}

PLUMB_INLINE I32x16 zero_i32() { return {}; }
PLUMB_INLINE I32x16 splat_i32(std::int32_t x) {
  I32x16 r;
  PLUMB_EACH(16, r.v[i] = x);
  return r;
}
PLUMB_INLINE I32x16 broadcast_i32(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return splat_i32(x);
}
PLUMB_INLINE I32x16 load_i8_as_i32(const void* p) {
  I32x16 r;
  const std::int8_t* b = static_cast<const std::int8_t*>(p);
  PLUMB_EACH(16, r.v[i] = b[i]);
  return r;
}
PLUMB_INLINE I32x16 load_u8_as_i32(const void* p) {
  I32x16 r;
  const std::uint8_t* b = static_cast<const std::uint8_t*>(p);
  PLUMB_EACH(16, r.v[i] = b[i]);
  return r;
}
PLUMB_INLINE I32x16 load_u16_as_i32(const void* p) {
  std::uint16_t h[16];
  std::memcpy(h, p, sizeof h);
  I32x16 r;
  PLUMB_EACH(16, r.v[i] = h[i]);
  return r;
}
PLUMB_INLINE I32x16 bit_or(I32x16 a, I32x16 b) {
  PLUMB_EACH(16, a.v[i] |= b.v[i]);
  return a;
}
PLUMB_INLINE I32x16 add(I32x16 a, I32x16 b) {
  PLUMB_EACH(16, a.v[i] += b.v[i]);
  return a;
}

PLUMB_INLINE F32x16 larger_of(F32x16 a, F32x16 b) {
  PLUMB_EACH(16, a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
  return a;
}
PLUMB_INLINE F32x16 smaller_of(F32x16 a, F32x16 b) {
  PLUMB_EACH(16, a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
  return a;
}
PLUMB_INLINE float reduce_max(F32x16 a) {
  float m = a.v[0];
  PLUMB_EACH(16, m = a.v[i] > m ? a.v[i] : m);
  return m;
}
PLUMB_INLINE float sum_of(F32x16 a) {
  float sum = 0;
  PLUMB_EACH(16, sum += a.v[i]);
  return sum;
}
PLUMB_INLINE I32x16 round_to_i32(F32x16 a) {  // to nearest even
  I32x16 r;
  PLUMB_EACH(16, r.v[i] = static_cast<std::int32_t>(std::nearbyint(a.v[i])));
  return r;
}
PLUMB_INLINE std::int32_t reduce_add(I32x16 a) {
  std::int32_t sum = 0;
  PLUMB_EACH(16, sum += a.v[i]);
  return sum;
}
// Stores 16 codes of a byte each and answers their sum.
PLUMB_INLINE std::int32_t store_as_i8(void* p, I32x16 a) {
  std::int8_t* b = static_cast<std::int8_t*>(p);
  PLUMB_EACH(16, b[i] = static_cast<std::int8_t>(a.v[i]));
  return reduce_add(a);
}
PLUMB_INLINE bool any_at_least(F32x16 a, float bound) {
  bool any = false;
  PLUMB_EACH(16, any |= a.v[i] >= bound);
  return any;
}

PLUMB_INLINE U8x64 load_u8(const void* p) {
  U8x64 r;
  std::memcpy(&r, p, sizeof r);
  return r;
}
PLUMB_INLINE void store_u8(void* p, U8x64 a) { std::memcpy(p, &a, sizeof a); }
PLUMB_INLINE U8x64 bit_and(U8x64 a, std::uint8_t mask) {
  PLUMB_EACH(64, a.v[i] = static_cast<std::uint8_t>(a.v[i] & mask));
  return a;
}
PLUMB_INLINE U8x64 bit_or(U8x64 a, U8x64 b) {
  PLUMB_EACH(64, a.v[i] = static_cast<std::uint8_t>(a.v[i] | b.v[i]));
  return a;
}
PLUMB_INLINE U8x64 add_u8(U8x64 a, std::uint8_t x) {
  PLUMB_EACH(64, a.v[i] = static_cast<std::uint8_t>(a.v[i] + x));
  return a;
}
// Shifts here stay inside a byte; the vector tiers let bits cross, and every caller masks them away.
PLUMB_INLINE U8x64 shift_right16(U8x64 a, int n) {
  PLUMB_EACH(64, a.v[i] = static_cast<std::uint8_t>(a.v[i] >> n));
  return a;
}
PLUMB_INLINE U8x64 shift_left16(U8x64 a, int n) {
  PLUMB_EACH(64, a.v[i] = static_cast<std::uint8_t>(a.v[i] << n));
  return a;
}
PLUMB_INLINE U8x64 look_up16(const std::uint8_t* table, U8x64 a) {
  PLUMB_EACH(64, a.v[i] = table[a.v[i]]);
  return a;
}

static constexpr bool kOneDot = true;  // codes of any size have the same dot

// acc[r] += sum over 4 k of w[r, k] * a[k]; w unsigned, a signed.
PLUMB_INLINE I32x16 dot4(I32x16 acc, U8x64 w, const std::byte* a) {
  std::int8_t codes[4];
  std::memcpy(codes, a, 4);
  for (int r = 0; r < 16; ++r)
    for (int k = 0; k < 4; ++k) acc.v[r] += w.v[4 * r + k] * codes[k];
  return acc;
}
#undef PLUMB_EACH

// 16 vectors of 16 lanes as a matrix, turned: lane i of vector j becomes lane j of vector i.
PLUMB_INLINE void transpose(F32x16 (&m)[16]) {
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < i; ++j) std::swap(m[i].v[j], m[j].v[i]);
}

// Chains of the probes: what fits 16 SSE registers.
constexpr int kProbeF32Chains = 2, kProbeInt8Chains = 2;
