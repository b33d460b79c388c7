// Attention by bf16 dots, for tiers that have one: queries, keys, weights and values rounded to bf16, sums in f32.
// Included inside a tier's region, after attention_tiles.hpp.
//
//     scores[m, p] = sum_d q[m, d] K[p, d]                   d in pairs
//     acc[m, d]    = acc[m, d] * shrink[m] + grow[m] * sum_p weight[m, p] V[p, d]    p in pairs
//
// The operands as they lie in memory, of one range:
//
//     q       [k_dim / 2][8] pairs          made here from f32 [k_dim][8], once per 8 rows and range
//     K       [tile][k_dim][16]             rows d and d + 1 make one vector of pairs
//     weight  [m][kScoreStride]             bf16 in the place of the f32 scores: a word is the pair (p, p + 1)
//     V       [tile][16][v_dim]             rows p and p + 1 make one vector of pairs
//
// K and V come as f16 or int8 and are rounded on the way, or already paired ([rows / 2][length] pairs, attend_pairs)
// when many rows share them: `unpack_pairs` does the same rounding.
//
// The plain loop they must equal: that of attention_scores.hpp and attention_values.hpp with every operand rounded to
// bf16 (relative error at most 2^-9; an int8 code is exact) and two terms added at a time. One chain per output in
// rising order: bits do not depend on which rows are computed together.
//
// Budget: M x N chains of accumulators, N operands, 1 broadcast, as in f32; a dot does the work of two FMAs. Rounding
// on the way costs 2 conversions, 1 rounding of two and 1 permutation for each M dots.

// Largest k_dim that the pairs of 8 queries have room for.
constexpr int kMaxPairedDim = 512;
static_assert(kMaxPairedDim == kMaxBf16KeyDim);

// Rows r and r + 1 of a tile [rows][length], elements i ... i + 15. `load_last`: a row of zeros in the place of r + 1.
template <class Kv>
struct RoundedPairs {
  PLUMB_INLINE const std::byte* at(const std::byte* tile, int r, int i, int length) {
    return tile + (static_cast<std::int64_t>(r) * length + i) * Kv::kBytes;
  }
  PLUMB_INLINE F32x16 load(const std::byte* tile, int r, int i, int length) {
    const std::byte* const first = at(tile, r, i, length);
    return pair_rows(Kv::load(first), Kv::load(first + static_cast<std::int64_t>(length) * Kv::kBytes));
  }
  PLUMB_INLINE F32x16 load_last(const std::byte* tile, int r, int i, int length) {
    return pair_rows(Kv::load(at(tile, r, i, length)), zero_f32());
  }
  PLUMB_INLINE void prefetch(const std::byte* tile, int r, int i, int length) {
    prefetch_kv(at(tile, r, i, length));
    prefetch_kv(at(tile, r + 1, i, length));
  }
};
struct StoredPairs {
  PLUMB_INLINE F32x16 load(const std::byte* tile, int r, int i, int length) {
    return load_f32(reinterpret_cast<const float*>(tile) + r / 2 * length + i);
  }
  PLUMB_INLINE F32x16 load_last(const std::byte* tile, int r, int i, int length) { return load(tile, r, i, length); }
  PLUMB_INLINE void prefetch(const std::byte*, int, int, int) {}
};

// rows x length elements -> [ceil(rows / 2)][length] pairs, the last one with zeros where rows is odd.
template <class Kv>
static void unpack_pairs(const std::byte* from, int rows, int length, std::byte* to) {
  float* out = reinterpret_cast<float*>(to);
  for (int r = 0; r < rows; r += 2)
    for (int i = 0; i < length; i += 16, out += 16)
      store_f32(out, r + 1 < rows ? RoundedPairs<Kv>::load(from, r, i, length)
                                  : RoundedPairs<Kv>::load_last(from, r, i, length));
}

// q [k_dim][8] f32 -> [k_dim / 2][8] pairs; k_dim is even.
PLUMB_INLINE void pair_queries(const float* q, int k_dim, float* pairs) {
  int d = 0;
  for (; d + 4 <= k_dim; d += 4, q += 32, pairs += 16) store_f32(pairs, pair_short_rows(load_f32(q), load_f32(q + 16)));
  if (d < k_dim) store_f32_first(pairs, pair_short_rows(load_f32(q), zero_f32()), 8);
}

template <class Kv, int M, int N>
PLUMB_INLINE void score_pairs(const AttentionRange& a, const float* q, int tile) {
  const std::byte* const k = a.k + tile * a.k_tile_bytes;
  F32x16 s[M][N];
  clear_tile(s);
  for (int d = 0; d < a.k_dim; d += 2, q += kQueryTile) {
    F32x16 key[N];
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) {
      Kv::prefetch(k + n * a.k_tile_bytes, d, 0, kKeyTile);
      key[n] = Kv::load(k + n * a.k_tile_bytes, d, 0, kKeyTile);
    }
    PLUMB_UNROLL(8)
    for (int m = 0; m < M; ++m) {
      const F32x16 x = broadcast_f32(q + m);
      PLUMB_UNROLL(8)
      for (int n = 0; n < N; ++n) s[m][n] = dot2(s[m][n], key[n], x);
    }
  }
  store_scores(a, tile, s);
}

// Weights as bf16 in the place of the scores: positions p and p + 1 become word p / 2 of the row.
struct Bf16Weighing {
  // The weights of one tile; 0 beyond the range and for positions that nobody sees, whose scales (int8) may be
  // anything.
  PLUMB_INLINE F32x16 tile_weights(const AttentionRange& a, const float* scores, int tile, F32x16 base, F32x16& sum) {
    if (tile < a.first_tile() || tile >= a.end_tile()) return zero_f32();
    const F32x16 weight = exp2_for_bf16(sub(load_f32(scores + tile * kKeyTile), base));
    sum = add(sum, weight);
    const F32x16 scaled = scaled_weights(a, tile, weight);
    const int seen = a.end_key - tile * kKeyTile;
    return seen >= kKeyTile ? scaled : select(lanes_between(0, seen), scaled, zero_f32());
  }
  // Answers the sum of the weights, before rounding and scales.
  PLUMB_INLINE float weigh(const AttentionRange& a, float* scores, float top) {
    const F32x16 base = base_of(top);
    F32x16 sum = zero_f32();
    for (int tile = a.first_tile() / 2 * 2, last = a.end_tile(); tile < last; tile += 2) {
      const F32x16 first = tile_weights(a, scores, tile, base, sum);
      const F32x16 second = tile_weights(a, scores, tile + 1, base, sum);
      store_f32(scores + tile * kKeyTile / 2, round_to_bf16_pairs(first, second));
    }
    return reduce_add(sum);
  }
};

template <class Kv, int M, int N>
PLUMB_INLINE void value_pairs(const AttentionRange& a, const float* shrink, const float* grow, float* acc, int d) {
  F32x16 s[M][N];
  clear_tile(s);
  for (int tile = a.first_tile(), last = a.end_tile(); tile < last; ++tile) {
    const std::byte* const v = a.v + tile * a.v_tile_bytes;
    const float* weight = a.scores + tile * kKeyTile / 2;
    const int count = a.end_key - tile * kKeyTile < kKeyTile ? a.end_key - tile * kKeyTile : kKeyTile;
    for (int p = 0; p < count; p += 2, ++weight) {
      F32x16 value[N];
      PLUMB_UNROLL(8)
      for (int n = 0; n < N; ++n) {
        Kv::prefetch(v, p, d + 16 * n, a.v_dim);
        value[n] = p + 1 < count ? Kv::load(v, p, d + 16 * n, a.v_dim) : Kv::load_last(v, p, d + 16 * n, a.v_dim);
      }
      PLUMB_UNROLL(8)
      for (int m = 0; m < M; ++m) {
        const F32x16 x = broadcast_f32(weight + m * kScoreStride);
        PLUMB_UNROLL(8)
        for (int n = 0; n < N; ++n) s[m][n] = dot2(s[m][n], value[n], x);
      }
    }
  }
  fold_values(a, shrink, grow, acc, d, s);
}

template <class Kv, int M>
static void attend_rows_bf16(const AttentionRange& a, const float* q, int row) {
  constexpr int kWide = attention_vectors(M);
  static_assert(kWide > 2);
  alignas(64) float shrink[16], grow[16];
  const int end = a.end_tile();
  for (int tile = a.first_tile(); tile < end;) {
    const int n = vectors_at_once<kWide>(end - tile);
    n == kWide ? score_pairs<Kv, M, kWide>(a, q, tile)
    : n == 2   ? score_pairs<Kv, M, 2>(a, q, tile)
               : score_pairs<Kv, M, 1>(a, q, tile);
    tile += n;
  }
  softmax_rows<Bf16Weighing, M>(a, row, shrink, grow);
  float* const acc = a.acc + static_cast<std::int64_t>(row) * a.v_dim;
  for (int d = 0; d < a.v_dim;) {
    const int n = vectors_at_once<kWide>((a.v_dim - d) / 16);
    n == kWide ? value_pairs<Kv, M, kWide>(a, shrink, grow, acc, d)
    : n == 2   ? value_pairs<Kv, M, 2>(a, shrink, grow, acc, d)
               : value_pairs<Kv, M, 1>(a, shrink, grow, acc, d);
    d += 16 * n;
  }
}

template <class Kv, int... I>
PLUMB_INLINE void attend_some_bf16(const AttentionRange& a, const float* q, int row, int n,
                                   std::integer_sequence<int, I...>) {
  ((n == I + 1 ? attend_rows_bf16<Kv, I + 1>(a, q, row) : void()), ...);
}

template <class Kv>
static void attend_bf16(const AttentionRange& a) {
  static_assert(kAttentionRows == kQueryTile, "the queries of a register tile are paired together");
  alignas(64) float q[kMaxPairedDim / 2 * kQueryTile];
  for (int row = 0; row < a.rows; row += kAttentionRows) {
    const int n = a.rows - row < kAttentionRows ? a.rows - row : kAttentionRows;
    pair_queries(a.q + static_cast<std::int64_t>(row) * a.k_dim, a.k_dim, q);
    attend_some_bf16<Kv>(a, q, row, n, std::make_integer_sequence<int, kAttentionRows>());
  }
}

static void add_bf16_attention(KernelTable& table) {
  AttentionKernels& a = table.attention;
  a.attend_bf16[kv_index(DType::f16)] = attend_bf16<RoundedPairs<KvF16>>;
  a.attend_bf16[kv_index(DType::i8)] = attend_bf16<RoundedPairs<KvI8>>;
  a.unpack_pairs[kv_index(DType::f16)] = unpack_pairs<KvF16>;
  a.unpack_pairs[kv_index(DType::i8)] = unpack_pairs<KvI8>;
  a.attend_pairs = attend_bf16<StoredPairs>;
}
