// y[c, r] (+)= sum_k W[r, k] * x[c, k] for float W and f32 x, as plain as it can be: the answer that the tiles of
// generic/matmul_float.hpp must give, in the same order of k. There are no registers to fill here, so one function
// serves any number of columns.

// `n` columns: their accumulators wait in memory while a pair of k is unpacked once for all of them.
template <class Weights>
static void multiply_floats(const PanelProduct& p, int n) {
  for (std::int64_t row = 0; row < p.n_rows; row += 16) {
    const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
    const float* x = reinterpret_cast<const float*>(p.activations);
    F32x16 acc[kTileCols];
    load_columns(p, row, n, acc);
    for (std::int64_t k = 0; k < p.k; ++k, x += n) {
      const F32x16 weights = Weights::load(w, static_cast<int>(k % 2));
      for (int c = 0; c < n; ++c) acc[c] = Weights::multiply(acc[c], weights, broadcast_f32(x + c));
      if (k % 2 == 1) w += Weights::kPairBytes;
    }
    store_columns(p, row, n, acc);
  }
}

// A column tile of N.
template <class Weights, int N>
static void product_float(const PanelProduct& p) {
  multiply_floats<Weights>(p, N);
}
