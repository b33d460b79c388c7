// What scores and values have in common, by FMAs and by bf16 dots: how a register tile of M rows x N vectors begins and
// where it goes, and how a line of vectors is cut into tiles. Included inside a tier's region, after
// attention_softmax.hpp.

template <int M, int N>
PLUMB_INLINE void clear_tile(F32x16 (&s)[M][N]) {
  PLUMB_UNROLL(8)
  for (int m = 0; m < M; ++m) {
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) s[m][n] = zero_f32();
  }
}

// Scores of M rows against the keys of N tiles from `tile` on.
template <int M, int N>
PLUMB_INLINE void store_scores(const AttentionRange& a, int tile, const F32x16 (&s)[M][N]) {
  PLUMB_UNROLL(8)
  for (int m = 0; m < M; ++m) {
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) store_f32(a.scores + m * kScoreStride + kKeyTile * (tile + n), s[m][n]);
  }
}

// acc[m, d ...] = acc * shrink[m] + grow[m] * s[m], from dimension d on.
template <int M, int N>
PLUMB_INLINE void fold_values(const AttentionRange& a, const float* shrink, const float* grow, float* acc, int d,
                              const F32x16 (&s)[M][N]) {
  PLUMB_UNROLL(8)
  for (int m = 0; m < M; ++m) {
    PLUMB_UNROLL(8)
    for (int n = 0; n < N; ++n) {
      float* const own = acc + m * a.v_dim + d + 16 * n;
      store_f32(own, fold(load_f32(own), broadcast_f32(shrink + m), s[m][n], broadcast_f32(grow + m)));
    }
  }
}

// How many of `left` vectors to take: as many as there are registers for, but two and two rather than three and one,
// whose few chains would wait for each other.
template <int Wide>
constexpr int vectors_at_once(int left) {
  return Wide == 1 || (left >= Wide && left != Wide + 1) ? Wide : left >= 2 ? 2 : 1;
}
