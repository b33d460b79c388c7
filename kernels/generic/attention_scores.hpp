// scores[m, p] = sum_d q[m, d] K[p, d] for a few query rows and all key tiles of a range. Included inside a tier's
// region.
//
//     q  [k_dim][8]           one cache line feeds two dimensions of 8 rows, broadcast element by element
//     K  [tile][k_dim][16]    one vector = dimension d of 16 keys
//     scores [m][kScoreStride]
//
//     for d: scores[m, p] = fma(q[m, d], K[p, d], scores[m, p])
//
// One chain per score in rising d: a score's bits do not depend on which rows and tiles are computed together. M rows x
// N tiles of accumulators stay in registers; per dimension N loads (and conversions) and M broadcast loads feed M * N
// FMAs. With two FMA ports and a latency of 4, 8 chains must be in flight.

template <class Kv, int M, int N>
PLUMB_INLINE void score_dimension(const std::byte* k, std::int64_t tile_bytes, const float* q, F32x16 (&s)[M][N]) {
  F32x16 key[N];
  PLUMB_UNROLL(8)
  for (int n = 0; n < N; ++n) key[n] = Kv::load(k + n * tile_bytes);
  PLUMB_UNROLL(8)
  for (int m = 0; m < M; ++m) {
    const F32x16 x = broadcast_f32(q + m);
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) s[m][n] = mul_add(x, key[n], s[m][n]);
  }
}

template <class Kv, int M, int N>
PLUMB_INLINE void score_tiles(const AttentionRange& a, const float* q, int tile) {
  constexpr int kPerLine = 4 / Kv::kBytes;  // dimensions of 16 keys in a cache line
  constexpr std::int64_t kStep = kKeyTile * Kv::kBytes;
  const std::byte* k = a.k + tile * a.k_tile_bytes;
  F32x16 s[M][N];
  clear_tile(s);
  int d = 0;
  for (; d + kPerLine <= a.k_dim; d += kPerLine) {
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) prefetch_kv(k + n * a.k_tile_bytes);
    PLUMB_UNROLL(4)
    for (int i = 0; i < kPerLine; ++i, k += kStep, q += kQueryTile) score_dimension<Kv>(k, a.k_tile_bytes, q, s);
  }
  for (; d < a.k_dim; ++d, k += kStep, q += kQueryTile) score_dimension<Kv>(k, a.k_tile_bytes, q, s);
  store_scores(a, tile, s);
}

template <class Kv, int M>
PLUMB_INLINE void score_rows(const AttentionRange& a, const float* q) {
  constexpr int kWide = attention_vectors(M);
  const int end = a.end_tile();
  int tile = a.first_tile();
  while (tile < end) {
    const int n = vectors_at_once<kWide>(end - tile);
    n == kWide ? score_tiles<Kv, M, kWide>(a, q, tile)
    : n == 2   ? score_tiles<Kv, M, kWide >= 2 ? 2 : 1>(a, q, tile)
               : score_tiles<Kv, M, 1>(a, q, tile);
    tile += n;
  }
}
