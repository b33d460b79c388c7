// How `n` columns of y come into accumulators and leave them, n being known when the program runs. Included inside the
// scalar tier's region; the other tiers keep them in registers (generic/panel_product.hpp).

// acc[c] = 16 rows of column c of y from `row` on, or zero.
PLUMB_INLINE void load_columns(const PanelProduct& p, std::int64_t row, int n, F32x16 (&acc)[kTileCols]) {
  const std::int64_t rows = p.n_rows - row < 16 ? p.n_rows - row : 16;
  for (int c = 0; c < n; ++c) acc[c] = p.accumulate ? load_f32_first(p.out + c * p.out_stride + row, rows) : zero_f32();
}

PLUMB_INLINE void store_columns(const PanelProduct& p, std::int64_t row, int n, const F32x16 (&acc)[kTileCols]) {
  const std::int64_t rows = p.n_rows - row < 16 ? p.n_rows - row : 16;
  for (int c = 0; c < n; ++c) store_f32_first(p.out + c * p.out_stride + row, acc[c], rows);
}
