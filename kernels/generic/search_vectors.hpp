// Vector helpers of the scale searches. Included inside a tier's region, after its search_lanes.hpp: kLanes, Floats,
// Ints, Shorts, smaller and larger.
//
// The searches work on 16 blocks (or sub-blocks) at a time, one per lane:
//
//   x[k][lane]   weight k of block `lane`, 16 floats (one cache line) per k
//
// so sums over a block run down a lane, in the order of k, with no horizontal additions. A tier whose vectors hold
// kLanes < 16 floats does the 16 lanes in 16 / kLanes passes. Each lane is on its own and the arithmetic is plain IEEE
// (no fused multiply-add), so every tier gives the same bits.

// Blocks that are searched together.
constexpr int kBatch = 16;
static_assert(kBatch == kGroupsTogether);
static inline Floats load(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
static inline void store(float* to, Floats v) { std::memcpy(to, &v, sizeof v); }
static inline Floats splat(float value) { return value - Floats{}; }
static inline Floats select(Ints mask, Floats yes, Floats no) { return mask ? yes : no; }
static inline Floats absolute(Floats v) { return (Floats)((Ints)v & 0x7FFFFFFF); }
// Nearest integer, ties to even, of v clamped to [low, high]: adding 1.5 * 2^23 leaves no fraction bits.
static inline Floats nearest_between(Floats v, Floats low, Floats high) {
  return (smaller(larger(v, low), high) + 12582912.0f) - 12582912.0f;
}
// a / b, and 0 where b is 0.
static inline Floats divide_or_zero(Floats a, Floats b) {
  const Ints zero = b == 0.0f;
  return select(zero, Floats{}, a / select(zero, splat(1.0f), b));
}
static inline Floats inverse_or_zero(Floats v) { return divide_or_zero(splat(1.0f), v); }
// Each lane rounded to the nearest finite f16 (ties to even): to_float(to_half_saturated(v)).
static inline Floats to_half_grid(Floats v) {
  const Ints sign = (Ints)v & (Ints)splat(-0.0f);
  const Floats magnitude = smaller(absolute(v), splat(65504.0f));
  const Floats subnormal = (magnitude + 0.75f) - 0.75f;  // below 2^-14 steps of 2^-24: those of f32 in [0.5, 1)
  const Ints bits = (Ints)magnitude;
  const Ints normal = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF;  // above, 13 fraction bits fewer than f32
  return (Floats)((Ints)select(magnitude < 0x1p-14f, subnormal, (Floats)normal) | sign);
}

// Sixteen blocks of `count` weights, one per lane.
struct Batch {
  const float* x;  // [count, 16]
  const float* w;  // [count, 16], what each squared error costs; null: 1
  int count;
};

// Cost of the errors of row k of a batch.
template <bool weighted>
static inline Floats cost(const Batch& batch, int k, int lane) {
  if constexpr (weighted) return load(batch.w + k * kBatch + lane);
  return splat(1.0f);
}
