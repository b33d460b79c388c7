// Scores of positions by an indexer (attention that chooses the positions it reads). Included inside a tier's region,
// after attention_scores.hpp.
//
//     out[p] = sum_h weight[h] * max(0, sum_d q[h, d] K[p, d])
//
//     q  [ceil(heads / 8)][dim][8]    as attention has its query rows: heads in their place
//     K  [tile][dim][16]              one vector = dimension d of 16 keys
//
// One chain per product in rising d, one per score in rising h: a score's bits do not depend on which tiles are
// computed together. Int8: the scale of a key is above zero and so multiplies the sum.

template <class Kv, int M, int N>
PLUMB_INLINE void index_tiles(const IndexRange& a, int head, int tile) {
  const std::byte* k = a.k + tile * a.k_tile_bytes;
  const float* q = a.q + static_cast<std::int64_t>(head / kQueryTile) * kQueryTile * a.dim + head % kQueryTile;
  F32x16 s[M][N];
  clear_tile(s);
  for (int d = 0; d < a.dim; ++d, k += kKeyTile * Kv::kBytes, q += kQueryTile)
    score_dimension<Kv>(k, a.k_tile_bytes, q, s);
  PLUMB_UNROLL(8)
  for (int n = 0; n < N; ++n) {
    float* const out = a.out + kKeyTile * (tile + n);
    F32x16 sum = load_f32(out);
    PLUMB_UNROLL(8)
    for (int m = 0; m < M; ++m) sum = mul_add(broadcast_f32(a.weights + head + m), max(zero_f32(), s[m][n]), sum);
    store_f32(out, sum);
  }
}

template <class Kv, int M>
PLUMB_INLINE void index_heads(const IndexRange& a, int head) {
  constexpr int kWide = attention_vectors(M);
  for (int tile = 0; tile < a.tiles();) {
    const int n = vectors_at_once<kWide>(a.tiles() - tile);
    n == kWide ? index_tiles<Kv, M, kWide>(a, head, tile)
    : n == 2   ? index_tiles<Kv, M, kWide >= 2 ? 2 : 1>(a, head, tile)
               : index_tiles<Kv, M, 1>(a, head, tile);
    tile += n;
  }
}

template <class Kv, int... I>
PLUMB_INLINE void index_some(const IndexRange& a, int head, int n, std::integer_sequence<int, I...>) {
  ((n == I + 1 ? index_heads<Kv, I + 1>(a, head) : void()), ...);
}

template <class Kv>
static void index_scores(const IndexRange& a) {
  for (int t = 0; t < a.tiles(); ++t) store_f32(a.out + t * kKeyTile, zero_f32());
  for (int head = 0; head < a.heads; head += kAttentionRows) {
    const int n = a.heads - head < kAttentionRows ? a.heads - head : kAttentionRows;
    index_some<Kv>(a, head, n, std::make_integer_sequence<int, kAttentionRows>());
  }
  for (int t = 0; a.k_scale && t < a.tiles(); ++t)
    store_f32(a.out + t * kKeyTile, mul(load_f32(a.out + t * kKeyTile), load_f32(a.k_scale + t * a.k_tile_bytes)));
}
