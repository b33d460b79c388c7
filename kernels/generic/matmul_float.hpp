// y[c, r] (+)= sum_k W[r, k] * x[c, k] for F32, F16 and BF16 weights and f32 x. Included inside a tier's region.
//
// Operands in memory order: W as panels of 16 rows, for each k (F32, F16) or pair of k (BF16) the values of 16 rows
// side by side; x as a column tile [k][n] f32; y row-major [c, r]. The plain loop it must equal, in this order of k:
//
//     for k: y[c, r] = fma(W[r, k], x[c, k], y[c, r])
//
// One chain per output, so the result does not depend on how many columns or panels are computed together. An FMA takes
// 4 cycles and two start per cycle: 8 chains must be in flight, hence several panels at once when there are few
// columns. Weights become f32 in registers, in `tile` too: one conversion serves 8 columns and costs less than the
// bytes that f32 weights would take from L2 (F16 on Zen 5, two panels x 8 columns: 97% of the FMA rate, 88% from
// weights unpacked to f32).

// acc[i][c] += one word of `Panels` panels times columns x[0 .. Count).
template <class Weights, int Count, int Panels>
PLUMB_INLINE void multiply_word(const std::byte* w, std::size_t stride, int word, const float* x,
                                F32x16 (&acc)[Panels][Count]) {
  __asm__("" : "+r"(x));  // one address, from which columns are offsets: the compiler would keep one for each column
  F32x16 weights[Panels];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) weights[i] = Weights::load(w + static_cast<std::size_t>(i) * stride, word);
  PLUMB_UNROLL(16)
  for (int c = 0; c < Count; ++c) {
    const F32x16 xc = broadcast_f32(x + c);
    PLUMB_UNROLL(8)
    for (int i = 0; i < Panels; ++i) acc[i][c] = Weights::multiply(acc[i][c], weights[i], xc);
  }
}

// Asks for what each of `Panels` panels will need: this pair of k, `ahead` bytes on.
template <class Weights, int Panels>
PLUMB_INLINE void prefetch_pairs(const std::byte* w, std::size_t stride, std::size_t ahead) {
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) {
    const std::byte* const pair = w + static_cast<std::size_t>(i) * stride + ahead;
    prefetch_l2(pair);
    if constexpr (Weights::kPairBytes > 64) prefetch_l2(pair + 64);
  }
}

// `Panels` panels from `row` on times columns [first, first + Count) of a column tile of n. A word takes `Panels` loads
// of weights and `Count` broadcasts for `Panels` * `Count` FMAs; with one panel the two load ports would bind. Near the
// end of its panel each stream asks for what the next `Panels` panels begin with.
template <class Weights, int Count, int Panels>
static void multiply_panels(const PanelProduct& p, std::int64_t row, std::int64_t first, std::int64_t n, Ahead ahead) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const float* x = reinterpret_cast<const float*>(p.activations) + first;
  F32x16 acc[Panels][Count];
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) load_accumulators(p, row + 16 * i, first, acc[i]);
  if (p.accumulate) prefetch_outputs<Panels>(p, row, first, Count, n);
  const std::int64_t last_k = p.k - 2 * kPrefetchBytes / Weights::kPairBytes;
  const std::size_t next = kPrefetchBytes + static_cast<std::size_t>(Panels - 1) * p.panel_stride;
  const std::size_t ahead_step = ahead.of_step(2, p.k);
  std::int64_t k = 0;
  for (; k + 2 <= p.k; k += 2, w += Weights::kPairBytes, x += Weights::kPairWords * n, ahead.at += ahead_step) {
    if constexpr (Count > 3) prefetch_l2(ahead.at);  // few columns are mostly decoding, where nothing follows
    prefetch_pairs<Weights, Panels>(w, p.panel_stride, k < last_k ? kPrefetchBytes : next);
    PLUMB_UNROLL(2)
    for (int word = 0; word < Weights::kPairWords; ++word)
      multiply_word<Weights>(w, p.panel_stride, word, x + word * n, acc);
  }
  if (k < p.k) multiply_word<Weights>(w, p.panel_stride, 0, x, acc);
  PLUMB_UNROLL(8)
  for (int i = 0; i < Panels; ++i) store_accumulators(p, row + 16 * i, first, acc[i]);
}

template <class Weights>
struct FloatTile {
  static constexpr int kCols = kFloatTileCols;
  static constexpr std::size_t activation_bytes(std::int64_t k, std::int64_t n) {
    return static_cast<std::size_t>(k * n) * Weights::kPairWords * 2;
  }
  template <int Count, int Panels>
  PLUMB_INLINE void multiply(const PanelProduct& p, std::int64_t row, std::int64_t first, std::int64_t n, Ahead ahead) {
    multiply_panels<Weights, Count, Panels>(p, row, first, n, ahead);
  }
};

// The product with a column tile of N, for few columns and for many.
template <class Weights, int N>
static void product_float(const PanelProduct& p) {
  constexpr int kColumns = N < kFloatTileCols ? N : kFloatTileCols;
  constexpr int kFit = kFloatVectors / (kColumns + 1);
  constexpr int kPanels = kFit < 4 ? kFit : 4;
  multiply_rows<FloatTile<Weights>, N, kPanels>(p);
}
