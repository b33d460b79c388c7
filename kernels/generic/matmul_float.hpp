// y[c, r] (+)= sum_k W[r, k] * x[c, k] for F32, F16 and BF16 weights and f32 x. Included inside a tier's region.
//
// Operands in memory order: W as panels of 16 rows, for each k (F32, F16) or pair of k (BF16) the values of 16 rows
// side by side; x as a column tile [k][n] f32; y row-major [c, r]. The plain loop it must equal, in this order of k:
//
//     for k: y[c, r] = fma(W[r, k], x[c, k], y[c, r])
//
// One chain per output, so the result does not depend on how many columns or panels are computed together. An FMA takes
// 4 cycles and two start per cycle: 8 chains must be in flight, hence several panels at once when there are few
// columns.

struct F32Weights {
  static constexpr std::int64_t kPairBytes = 128;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_f32(p);
    odd = load_f32(p + 64);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_f32(p); }
};

struct F16Weights {
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_f16(p);
    odd = load_f16(p + 32);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_f16(p); }
};

// A lane holds the pair (k, k + 1) of its row, which is what a bfloat16 dot instruction eats; k is padded to even.
struct BF16Weights {
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_bf16_even(p);
    odd = load_bf16_odd(p);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_bf16_even(p); }
};

template <int N>
PLUMB_INLINE void multiply_k(F32x16 w, const float* x, F32x16 (&acc)[N]) {
  PLUMB_UNROLL(16)
  for (int c = 0; c < N; ++c) acc[c] = mul_add(w, broadcast_f32(x + c), acc[c]);
}

// `Panels` panels from `row` on, straight from the packed weights.
template <class Weights, int N, int Panels>
PLUMB_INLINE void direct_panels(const PanelProduct& p, std::int64_t row) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const float* x = reinterpret_cast<const float*>(p.activations);
  F32x16 acc[Panels][N];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) load_accumulators(p, row + 16 * i, acc[i]);
  std::int64_t k = 0;
  for (; k + 2 <= p.k; k += 2, w += Weights::kPairBytes, x += 2 * N) {
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i) {
      F32x16 even, odd;
      const std::byte* const pair = w + static_cast<std::size_t>(i) * p.panel_stride;
      prefetch_l2(pair + kPrefetchBytes);
      if constexpr (Weights::kPairBytes > 64) prefetch_l2(pair + kPrefetchBytes + 64);
      Weights::load_pair(pair, even, odd);
      multiply_k<N>(even, x, acc[i]);
      multiply_k<N>(odd, x + N, acc[i]);
    }
  }
  if (k < p.k) {
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i)
      multiply_k<N>(Weights::load_single(w + static_cast<std::size_t>(i) * p.panel_stride), x, acc[i]);
  }
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) store_accumulators(p, row + 16 * i, acc[i]);
}

template <class Weights, int N>
static void direct_float(const PanelProduct& p) {
  constexpr int kPanels = N == 1 ? 8 : N <= 3 ? 4 : 2;
  std::int64_t row = 0;
  for (; row + 16 * (kPanels - 1) < p.n_rows; row += 16 * kPanels) direct_panels<Weights, N, kPanels>(p, row);
  for (; row < p.n_rows; row += 16) direct_panels<Weights, N, 1>(p, row);
}

// Unpacked form: [k][16] f32.
template <class Weights>
static void unpack_float(const std::byte* panel, std::int64_t first_k, std::int64_t k, std::byte* out) {
  const std::byte* w = panel + first_k / 2 * Weights::kPairBytes;  // first_k is even
  std::int64_t i = 0;
  for (; i + 2 <= k; i += 2, w += Weights::kPairBytes, out += 128) {
    F32x16 even, odd;
    Weights::load_pair(w, even, odd);
    store_f32(reinterpret_cast<float*>(out), even);
    store_f32(reinterpret_cast<float*>(out) + 16, odd);
  }
  if (i < k) store_f32(reinterpret_cast<float*>(out), Weights::load_single(w));
}

// Rows [row, row + 16 * Panels) against columns First ... First + Count - 1 of a tile of N.
template <int N, int First, int Count, int Panels>
PLUMB_INLINE void tile_float_block(const PanelProduct& p, std::int64_t row) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const float* x = reinterpret_cast<const float*>(p.activations) + First;
  PanelProduct columns = p;
  columns.out += First * p.out_stride;
  F32x16 acc[Panels][Count];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) load_accumulators(columns, row + 16 * i, acc[i]);
  for (std::int64_t k = 0; k < p.k; ++k, w += 64, x += N) {
    F32x16 weights[Panels];
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i) weights[i] = load_f32(w + static_cast<std::size_t>(i) * p.panel_stride);
    PLUMB_UNROLL(16)
    for (int c = 0; c < Count; ++c) {
      const F32x16 xc = broadcast_f32(x + c);
      PLUMB_UNROLL(8)
      for (int i = 0; i < Panels; ++i) acc[i][c] = mul_add(weights[i], xc, acc[i][c]);
    }
  }
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) store_accumulators(columns, row + 16 * i, acc[i]);
}

// A tile of N columns in halves of up to 8. With 2 panels at once a broadcast serves two FMAs: 10 loads per 16 FMAs,
// where one panel x 16 columns needs 17 and the two load ports bind (measured: 80% of the FMA rate).
template <int N>
static void tile_float(const PanelProduct& p) {
  constexpr int kFirstHalf = N > 8 ? (N + 1) / 2 : N;
  std::int64_t row = 0;
  for (; row + 16 < p.n_rows; row += 32) {
    tile_float_block<N, 0, kFirstHalf, 2>(p, row);
    if constexpr (N > 8) tile_float_block<N, kFirstHalf, N - kFirstHalf, 2>(p, row);
  }
  if (row < p.n_rows) {
    tile_float_block<N, 0, kFirstHalf, 1>(p, row);
    if constexpr (N > 8) tile_float_block<N, kFirstHalf, N - kFirstHalf, 1>(p, row);
  }
}
