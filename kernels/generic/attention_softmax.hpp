// The softmax of a range, kept online (Milakov and Gimelshein 2018), in powers of two. Included inside a tier's region.
//
//     own = max over the range's visible positions of s[p];  weight[p] = 2^(s[p] - own);  sum = sum of weight
//     new = max(top, own);  shrink = 2^(top - new);  grow = 2^(own - new)
//     total = total * shrink + sum * grow;  top = new;  (acc likewise, with the weighted values)
//
// Weights are relative to the range's own maximum and each range is summed by itself, so that ranges may be computed
// anywhere and folded in order with the same bits. A row that sees nothing of a range has own = -inf and weights 0.

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

PLUMB_INLINE F32x16 fold(F32x16 state, F32x16 shrink, F32x16 added, F32x16 grow) {
  return mul_add(state, shrink, mul(added, grow));
}

// shrink and grow for 16 rows at once.
struct Raise {
  F32x16 top, shrink, grow;
};
PLUMB_INLINE Raise raise_top(F32x16 top, F32x16 own) {
  const F32x16 raised = max(top, own);
  const F32x16 base = select(less(splat_f32(kMinusInfinity), raised), raised, zero_f32());  // -inf - -inf is NaN
  return {raised, exp2(sub(top, base)), exp2(sub(own, base))};
}

// from, from + 1, ... from + 15.
PLUMB_INLINE F32x16 sixteen_from(int from) {
  alignas(64) static constexpr float kLanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return add(load_f32(kLanes), splat_f32(static_cast<float>(from)));
}

// Scales, caps, biases and masks the scores of one row; answers their maximum. Most rows see whole tiles of scores that
// need none of it. Distances for the bias are counted from the last key that the row sees: numbers near 0 for the keys
// that weigh most, and the same for every range.
PLUMB_INLINE float finish_scores(const AttentionRange& a, float* scores, int first, int end, float slope) {
  const bool as_they_are = !a.k_scale && a.softcap == 0 && slope == 0;
  F32x16 top = splat_f32(kMinusInfinity);
  for (int tile = a.first_tile(), last = a.end_tile(); tile < last; ++tile) {
    const int p = tile * kKeyTile;
    const bool whole = first <= p && end >= p + kKeyTile;
    F32x16 s = load_f32(scores + p);
    if (!whole || !as_they_are) {
      if (a.k_scale) s = mul(s, load_f32(a.k_scale + tile * a.k_scale_stride));
      if (a.softcap > 0) s = mul(tanh(s), splat_f32(a.softcap));
      if (slope != 0) s = mul_add(sixteen_from(p - (end - 1)), splat_f32(slope), s);
      if (!whole) s = select(lanes_between(first - p, end - p), s, splat_f32(kMinusInfinity));
      store_f32(scores + p, s);
    }
    top = max(top, s);
  }
  return reduce_max(top);
}

// What is subtracted from the scores of a row: their maximum, or 0 where nothing is seen.
PLUMB_INLINE F32x16 base_of(float top) { return splat_f32(top > kMinusInfinity ? top : 0.0f); }

// The weights of a tile as the values take them: times the scales that int8 values have.
PLUMB_INLINE F32x16 scaled_weights(const AttentionRange& a, int tile, F32x16 weight) {
  return a.v_scale ? mul(weight, load_f32(a.v_scale + tile * a.v_scale_stride)) : weight;
}

// Weights in the place of the scores.
struct F32Weighing {
  // Answers their sum.
  PLUMB_INLINE float weigh(const AttentionRange& a, float* scores, float top) {
    const F32x16 base = base_of(top);
    F32x16 sum = zero_f32();
    for (int tile = a.first_tile(), last = a.end_tile(); tile < last; ++tile) {
      const F32x16 weight = exp2(sub(load_f32(scores + tile * kKeyTile), base));
      sum = add(sum, weight);
      store_f32(scores + tile * kKeyTile, scaled_weights(a, tile, weight));
    }
    return reduce_add(sum);
  }
};

// All of it for M rows from `row` on; leaves shrink and grow [16] for the values.
template <class Weighing, int M>
PLUMB_INLINE void softmax_rows(const AttentionRange& a, int row, float* shrink, float* grow) {
  alignas(64) float own[16] = {}, sum[16] = {};
  for (int m = 0; m < M; ++m)
    own[m] = finish_scores(a, a.scores + m * kScoreStride, a.first[row + m] - a.start, a.end[row + m] - a.start,
                           a.slope ? a.slope[row + m] : 0.0f);
  for (int m = 0; m < M; ++m) sum[m] = Weighing::weigh(a, a.scores + m * kScoreStride, own[m]);
  const Raise raise = raise_top(load_f32_first(a.top + row, M), load_f32(own));
  store_f32_first(a.top + row, raise.top, M);
  store_f32_first(a.total + row, fold(load_f32_first(a.total + row, M), raise.shrink, load_f32(sum), raise.grow), M);
  store_f32(shrink, raise.shrink);
  store_f32(grow, raise.grow);
}
