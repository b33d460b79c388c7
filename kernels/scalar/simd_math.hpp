// What element-wise kernels need beyond simd.hpp, in the scalar tier.

struct F64x16 {
  double v[16];
};  // for sums and arguments that f32 cannot hold
struct Mask16 {
  bool m[16];
};

PLUMB_INLINE F32x16 add(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
PLUMB_INLINE F32x16 sub(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] -= b.v[i];
  return a;
}
PLUMB_INLINE F32x16 div(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] /= b.v[i];
  return a;
}
// Where an operand is NaN, max and min answer b.
PLUMB_INLINE F32x16 max(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
PLUMB_INLINE F32x16 min(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
PLUMB_INLINE F32x16 abs(F32x16 a) {
  for (float& x : a.v) x = std::fabs(x);
  return a;
}
PLUMB_INLINE F32x16 negate(F32x16 a) {
  for (float& x : a.v) x = -x;
  return a;
}
// |a| with the sign of b.
PLUMB_INLINE F32x16 copy_sign(F32x16 a, F32x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] = std::copysign(a.v[i], b.v[i]);
  return a;
}
PLUMB_INLINE F32x16 round(F32x16 a) {
  for (float& x : a.v) x = std::nearbyint(x);
  return a;
}
// a * 2^n for integral n in [-250, 128], correctly rounded, denormal results included.
PLUMB_INLINE F32x16 scale_by_power(F32x16 a, F32x16 n) {
  for (int i = 0; i < 16; ++i) a.v[i] = std::ldexp(a.v[i], static_cast<int>(n.v[i]));
  return a;
}

PLUMB_INLINE Mask16 less(F32x16 a, F32x16 b) {
  Mask16 r;
  for (int i = 0; i < 16; ++i) r.m[i] = a.v[i] < b.v[i];
  return r;
}
PLUMB_INLINE F32x16 select(Mask16 m, F32x16 yes, F32x16 no) {
  for (int i = 0; i < 16; ++i) no.v[i] = m.m[i] ? yes.v[i] : no.v[i];
  return no;
}
// Lanes begin <= i < end; the bounds may lie outside 0..16.
PLUMB_INLINE Mask16 lanes_between(int begin, int end) {
  Mask16 r;
  for (int i = 0; i < 16; ++i) r.m[i] = begin <= i && i < end;
  return r;
}

// ((0+8) + (4+12)) ... : the same tree in every tier.
PLUMB_INLINE float reduce_add(F32x16 a) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a.v[i] += a.v[i + width];
  return a.v[0];
}

PLUMB_INLINE void store_f16(void* p, F32x16 a) {
  Half h[16];
  for (int i = 0; i < 16; ++i) h[i] = to_half(a.v[i]);
  std::memcpy(p, h, sizeof h);
}

// Neighbours exchanged: 1 0 3 2 ...
PLUMB_INLINE F32x16 swap_pairs(F32x16 a) {
  for (int i = 0; i < 16; i += 2) std::swap(a.v[i], a.v[i + 1]);
  return a;
}
// Lanes 0 0 1 1 ... 7 7.
PLUMB_INLINE F32x16 twice_low(F32x16 a) {
  F32x16 r;
  for (int i = 0; i < 16; ++i) r.v[i] = a.v[i / 2];
  return r;
}

PLUMB_INLINE F64x16 zero_f64() { return {}; }
PLUMB_INLINE F64x16 splat_f64(double x) {
  F64x16 r;
  for (double& lane : r.v) lane = x;
  return r;
}
PLUMB_INLINE F64x16 to_f64(F32x16 a) {
  F64x16 r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<double>(a.v[i]);
  return r;
}
PLUMB_INLINE F32x16 to_f32(F64x16 a) {
  F32x16 r;
  for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(a.v[i]);
  return r;
}
PLUMB_INLINE F64x16 add(F64x16 a, F64x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
  return a;
}
PLUMB_INLINE F64x16 sub(F64x16 a, F64x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] -= b.v[i];
  return a;
}
PLUMB_INLINE F64x16 mul(F64x16 a, F64x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] *= b.v[i];
  return a;
}
PLUMB_INLINE F64x16 max(F64x16 a, F64x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
PLUMB_INLINE F64x16 min(F64x16 a, F64x16 b) {
  for (int i = 0; i < 16; ++i) a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
PLUMB_INLINE F64x16 mul_add(F64x16 a, F64x16 b, F64x16 c) {
  for (int i = 0; i < 16; ++i) c.v[i] = a.v[i] * b.v[i] + c.v[i];
  return c;
}
PLUMB_INLINE F64x16 round(F64x16 a) {
  for (double& x : a.v) x = std::nearbyint(x);
  return a;
}
PLUMB_INLINE double reduce_add(F64x16 a) {
  for (int width = 8; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) a.v[i] += a.v[i + width];
  return a.v[0];
}

// Register tiles of attention: no registers to fill here, but a key is loaded once for so many rows.
constexpr int kAttentionRows = 4;
constexpr int attention_vectors(int) { return 1; }

// Blocks of 16 columns that the delta rule takes at once: as many as leave every sum a register.
constexpr int kDeltaBlocks = 1;
