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

// How a vector of weights, a lane for each row, meets columns x[0 .. n): the f32 weights of one k with f32 activations.
struct F32Terms {
  static constexpr std::int64_t kDepth = 1;  // k per lane
  PLUMB_INLINE F32x16 load(const std::byte* w) { return load_f32(w); }
  PLUMB_INLINE F32x16 multiply(F32x16 acc, F32x16 w, F32x16 x) { return mul_add(w, x, acc); }
};

template <class Terms, int N>
PLUMB_INLINE void multiply_words(F32x16 w, const float* x, F32x16 (&acc)[N]) {
  PLUMB_UNROLL(16)
  for (int c = 0; c < N; ++c) acc[c] = Terms::multiply(acc[c], w, broadcast_f32(x + c));
}

// Packed weights that become f32: a pair of k in kPairBytes meets kPairWords words of each column.
template <class Weights>
struct WithF32 : Weights {
  static constexpr std::int64_t kPairWords = 2;
  template <int N>
  PLUMB_INLINE void multiply_pair(const std::byte* w, const float* x, F32x16 (&acc)[N]) {
    F32x16 even, odd;
    Weights::load_pair(w, even, odd);
    multiply_words<F32Terms>(even, x, acc);
    multiply_words<F32Terms>(odd, x + N, acc);
  }
  template <int N>
  PLUMB_INLINE void multiply_last(const std::byte* w, const float* x, F32x16 (&acc)[N]) {
    multiply_words<F32Terms>(Weights::load_single(w), x, acc);
  }
};

struct F32Weights {
  static constexpr bool kAsTile = true;  // packed as the tile kernel reads it
  static constexpr std::int64_t kPairBytes = 128;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_f32(p);
    odd = load_f32(p + 64);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_f32(p); }
};

struct F16Weights {
  static constexpr bool kAsTile = false;
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_f16(p);
    odd = load_f16(p + 32);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_f16(p); }
};

// A lane holds the pair (k, k + 1) of its row, which is what a bfloat16 dot instruction eats; k is padded to even.
struct BF16Weights {
  static constexpr bool kAsTile = false;
  static constexpr std::int64_t kPairBytes = 64;
  PLUMB_INLINE void load_pair(const std::byte* p, F32x16& even, F32x16& odd) {
    even = load_bf16_even(p);
    odd = load_bf16_odd(p);
  }
  PLUMB_INLINE F32x16 load_single(const std::byte* p) { return load_bf16_even(p); }
};

// `Panels` panels from `row` on, straight from the packed weights. Near the end of its panel each stream asks for what
// the next `Panels` panels begin with.
template <class Weights, int N, int Panels>
PLUMB_INLINE void direct_panels(const PanelProduct& p, std::int64_t row) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const float* x = reinterpret_cast<const float*>(p.activations);
  F32x16 acc[Panels][N];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) load_accumulators(p, row + 16 * i, acc[i]);
  const std::int64_t last_k = p.k - 2 * kPrefetchBytes / Weights::kPairBytes;
  const std::size_t next = kPrefetchBytes + static_cast<std::size_t>(Panels - 1) * p.panel_stride;
  std::int64_t k = 0;
  for (; k + 2 <= p.k; k += 2, w += Weights::kPairBytes, x += Weights::kPairWords * N) {
    const std::size_t ahead = k < last_k ? kPrefetchBytes : next;
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i) {
      const std::byte* const pair = w + static_cast<std::size_t>(i) * p.panel_stride;
      prefetch_l2(pair + ahead);
      if constexpr (Weights::kPairBytes > 64) prefetch_l2(pair + ahead + 64);
      Weights::multiply_pair(pair, x, acc[i]);
    }
  }
  if (k < p.k) {
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i)
      Weights::multiply_last(w + static_cast<std::size_t>(i) * p.panel_stride, x, acc[i]);
  }
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) store_accumulators(p, row + 16 * i, acc[i]);
}

template <class Weights, int N>
static void direct_float(const PanelProduct& p) {
  constexpr int kPanels = N <= 3 ? 4 : 2;
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
template <class Terms, int N, int First, int Count, int Panels>
PLUMB_INLINE void tile_float_block(const PanelProduct& p, std::int64_t row) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const float* x = reinterpret_cast<const float*>(p.activations) + First;
  PanelProduct columns = p;
  columns.out += First * p.out_stride;
  F32x16 acc[Panels][Count];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) load_accumulators(columns, row + 16 * i, acc[i]);
  for (std::int64_t k = 0; k < p.k; k += Terms::kDepth, w += 64, x += N) {
    F32x16 weights[Panels];
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i) weights[i] = Terms::load(w + static_cast<std::size_t>(i) * p.panel_stride);
    PLUMB_UNROLL(16)
    for (int c = 0; c < Count; ++c) {
      const F32x16 xc = broadcast_f32(x + c);
      PLUMB_UNROLL(8)
      for (int i = 0; i < Panels; ++i) acc[i][c] = Terms::multiply(acc[i][c], weights[i], xc);
    }
  }
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) store_accumulators(columns, row + 16 * i, acc[i]);
}

// The columns from First on, in parts of nearly equal width that registers hold.
template <class Terms, int N, int Panels, int First = 0>
PLUMB_INLINE void tile_float_columns(const PanelProduct& p, std::int64_t row) {
  constexpr int kLeft = N - First, kParts = (kLeft + kFloatTileCols - 1) / kFloatTileCols;
  constexpr int kCount = (kLeft + kParts - 1) / kParts;
  tile_float_block<Terms, N, First, kCount, Panels>(p, row);
  if constexpr (First + kCount < N) tile_float_columns<Terms, N, Panels, First + kCount>(p, row);
}

// Unpacked panels against a tile of N columns. With 2 panels at once a broadcast serves two FMAs: 10 loads per 16 FMAs,
// where one panel x 16 columns needs 17 and the two load ports bind (measured: 80% of the FMA rate).
template <class Terms, int N>
static void tile_float(const PanelProduct& p) {
  std::int64_t row = 0;
  for (; row + 16 * (kFloatTilePanels - 1) < p.n_rows; row += 16 * kFloatTilePanels)
    tile_float_columns<Terms, N, kFloatTilePanels>(p, row);
  for (; row < p.n_rows; row += 16) tile_float_columns<Terms, N, 1>(p, row);
}
