// Rotation of one head in place: pair (a, b) becomes (a cos - b sin, a sin + b cos). Included inside a tier's region.
//
// cos_sin holds the cosines of all pairs, then the sines. Pairs are (i, i + pairs) for halves and (2i, 2i + 1) for
// interleaved, where cosines are doubled into both lanes of a pair and b reaches a's lane by exchanging neighbours.

static void rotate_halves(const float* cos_sin, std::int64_t pairs, float* head) {
  for (std::int64_t i = 0; i < pairs; i += 16) {
    const F32x16 cos = load_row(cos_sin, i, pairs), sin = load_row(cos_sin + pairs, i, pairs);
    const F32x16 a = load_row(head, i, pairs), b = load_row(head + pairs, i, pairs);
    store_row(head, i, pairs, neg_mul_add(b, sin, mul(a, cos)));
    store_row(head + pairs, i, pairs, mul_add(a, sin, mul(b, cos)));
  }
}

alignas(64) constexpr float kMinusPlus[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};

static void rotate_interleaved(const float* cos_sin, std::int64_t pairs, float* head) {
  const F32x16 sign = load_f32(kMinusPlus);
  for (std::int64_t i = 0; i < pairs; i += 8) {
    const std::int64_t n = pairs - i < 8 ? pairs - i : 8;
    const F32x16 cos = twice_low(load_f32_first(cos_sin + i, n));
    const F32x16 sin = twice_low(load_f32_first(cos_sin + pairs + i, n));
    const F32x16 x = load_row(head, 2 * i, 2 * pairs);
    store_row(head, 2 * i, 2 * pairs, mul_add(swap_pairs(x), mul(sin, sign), mul(x, cos)));
  }
}
