// Query rows against one range of keys: scores, softmax, values, a few rows at a time. Included inside a tier's region.
//
// Straight from the cache when there are few rows: every element of K is converted once and of V once, for all rows of
// the group. Callers with many rows convert the range to f32 first, once for all of them, with the same bits.

template <class Kv, int M>
static void attend_rows(const AttentionRange& a, int row) {
  alignas(64) float shrink[16], grow[16];
  score_rows<Kv, M>(a, a.q + static_cast<std::int64_t>(row / kQueryTile) * kQueryTile * a.k_dim + row % kQueryTile);
  softmax_rows<F32Weighing, M>(a, row, shrink, grow);
  value_rows<Kv, M>(a, shrink, grow, a.acc + static_cast<std::int64_t>(row) * a.v_dim);
}

template <class Kv, int... I>
PLUMB_INLINE void attend_some(const AttentionRange& a, int row, int n, std::integer_sequence<int, I...>) {
  ((n == I + 1 ? attend_rows<Kv, I + 1>(a, row) : void()), ...);
}

template <class Kv>
static void attend(const AttentionRange& a) {
  for (int row = 0; row < a.rows; row += kAttentionRows) {
    const int n = a.rows - row < kAttentionRows ? a.rows - row : kAttentionRows;
    attend_some<Kv>(a, row, n, std::make_integer_sequence<int, kAttentionRows>());
  }
}

// States of ranges that were computed apart; see AttentionKernels.
static void merge_states(float* top, float* total, float* acc, const float* other_top, const float* other_total,
                         const float* other_acc, int v_dim) {
  const Raise raise = raise_top(splat_f32(*top), splat_f32(*other_top));
  for (int d = 0; d < v_dim; d += 16)
    store_f32(acc + d, fold(load_f32(acc + d), raise.shrink, load_f32(other_acc + d), raise.grow));
  store_f32_first(total, fold(splat_f32(*total), raise.shrink, splat_f32(*other_total), raise.grow), 1);
  store_f32_first(top, raise.top, 1);
}

// A sink is a range of one position whose value is 0, folded in last. Without one shrink is 1 and grow 0: the state
// stays as it is, bit for bit.
static void finish_state(const float* acc, float top, float total, float sink, float* out, int v_dim) {
  const Raise raise = raise_top(splat_f32(top), splat_f32(sink));
  const F32x16 all = fold(splat_f32(total), raise.shrink, splat_f32(1.0f), raise.grow);
  const bool seen = reduce_max(all) != 0;
  for (int d = 0; d < v_dim; d += 16)
    store_row(out, d, v_dim, seen ? div(mul(load_f32(acc + d), raise.shrink), all) : zero_f32());
}
