// Query rows against one range of keys: scores, softmax, values, a few rows at a time. Included inside a tier's region.
//
// Straight from the cache when there are few rows: every element of K is converted once and of V once, for all rows of
// the group. Callers with many rows convert the range to f32 first, once for all of them, with the same bits.

template <class Kv, int M>
static void attend_rows(const AttentionRange& a, int row) {
  alignas(64) float shrink[16], grow[16];
  score_rows<Kv, M>(a, a.q + static_cast<std::int64_t>(row / kQueryTile) * kQueryTile * a.k_dim + row % kQueryTile);
  softmax_rows<M>(a, row, shrink, grow);
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
