// acc[m, d] = acc[m, d] * shrink[m] + grow[m] * sum_p weight[m, p] V[p, d] over the positions of a range. Included
// inside a tier's region.
//
//     weight [m][kScoreStride]             broadcast element by element
//     V      [tile][16 positions][v_dim]   one vector = 16 dimensions of one position
//
// One chain per output in rising p. M rows x N vectors of dimensions stay in registers over the whole range, so acc is
// touched once per range.

template <class Kv, int M, int N>
PLUMB_INLINE void value_vectors(const AttentionRange& a, const float* shrink, const float* grow, float* acc, int d) {
  constexpr int kPerLine = 4 / Kv::kBytes;  // vectors of 16 dimensions in a cache line
  F32x16 s[M][N];
  clear_tile(s);
  for (int tile = a.first_tile(), last = a.end_tile(); tile < last; ++tile) {
    const std::byte* v = a.v + tile * a.v_tile_bytes + d * Kv::kBytes;
    const float* weight = a.scores + tile * kKeyTile;
    const int count = a.end_key - tile * kKeyTile < kKeyTile ? a.end_key - tile * kKeyTile : kKeyTile;
    for (int p = 0; p < count; ++p, v += a.v_dim * Kv::kBytes, ++weight) {
      F32x16 value[N];
      PLUMB_UNROLL(8)
      for (int n = 0; n < N; n += kPerLine) prefetch_kv(v + n * 16 * Kv::kBytes);
      PLUMB_UNROLL(8)
      for (int n = 0; n < N; ++n) value[n] = Kv::load(v + n * 16 * Kv::kBytes);
      PLUMB_UNROLL(8)
      for (int m = 0; m < M; ++m) {
        const F32x16 x = broadcast_f32(weight + m * kScoreStride);
        PLUMB_UNROLL(8)
        for (int n = 0; n < N; ++n) s[m][n] = mul_add(x, value[n], s[m][n]);
      }
    }
  }
  fold_values(a, shrink, grow, acc, d, s);
}

template <class Kv, int M>
PLUMB_INLINE void value_rows(const AttentionRange& a, const float* shrink, const float* grow, float* acc) {
  constexpr int kWide = attention_vectors(M);
  for (int d = 0; d < a.v_dim;) {
    const int n = vectors_at_once<kWide>((a.v_dim - d) / 16);
    n == kWide ? value_vectors<Kv, M, kWide>(a, shrink, grow, acc, d)
    : n == 2   ? value_vectors<Kv, M, kWide >= 2 ? 2 : 1>(a, shrink, grow, acc, d)
               : value_vectors<Kv, M, 1>(a, shrink, grow, acc, d);
    d += 16 * n;
  }
}
