// What all product kernels share: how a tile of y comes into registers and leaves them, and how x becomes a column
// tile. Included inside a tier's region.

// acc[c] = 16 rows of column first + c of y from `row` on, or zero.
template <int N>
PLUMB_INLINE void load_accumulators(const PanelProduct& p, std::int64_t row, std::int64_t first, F32x16 (&acc)[N]) {
  const std::int64_t rows = p.n_rows - row;
  PLUMB_UNROLL(16)
  for (int c = 0; c < N; ++c) {
    const float* out = p.out + (first + c) * p.out_stride + row;
    acc[c] = !p.accumulate ? zero_f32() : rows >= 16 ? load_f32(out) : load_f32_first(out, rows);
  }
}

template <int N>
PLUMB_INLINE void store_accumulators(const PanelProduct& p, std::int64_t row, std::int64_t first,
                                     const F32x16 (&acc)[N]) {
  const std::int64_t rows = p.n_rows - row;
  PLUMB_UNROLL(16)
  for (int c = 0; c < N; ++c) {
    float* out = p.out + (first + c) * p.out_stride + row;
    if (rows >= 16)
      store_f32(out, acc[c]);
    else
      store_f32_first(out, acc[c], rows);
  }
}

// The width of the next part when `left` columns are cut into as few parts of at most `most` as possible, of nearly
// equal width.
constexpr int part_width(int left, int most) {
  const int parts = (left + most - 1) / most;
  return (left + parts - 1) / parts;
}

// How register tiles cover a product with a column tile of N. A `Tile` is a struct with kCols, the most columns that
// registers hold, and multiply<Count, Panels>(p, row, first, n): `Panels` panels from `row` on times columns
// [first, first + Count) of a column tile of n.
template <class Tile, int N, int Panels, int First = 0>
PLUMB_INLINE void multiply_parts(const PanelProduct& p, std::int64_t row) {
  constexpr int kCount = part_width(N - First, Tile::kCols);
  Tile::template multiply<kCount, Panels>(p, row, First, N);
  if constexpr (First + kCount < N) multiply_parts<Tile, N, Panels, First + kCount>(p, row);
}
template <class Tile, int N, int Panels>
PLUMB_INLINE void multiply_rows(const PanelProduct& p) {
  std::int64_t row = 0;
  for (; row + 16 * (Panels - 1) < p.n_rows; row += 16 * Panels) multiply_parts<Tile, N, Panels>(p, row);
  for (; row < p.n_rows; row += 16) multiply_parts<Tile, N, 1>(p, row);
}

// How far ahead packed weights are asked for. Hardware prefetchers stop at each 4 KiB page, so this is one page.
// Measured on two cores of an Emerald Rapids machine, Q4_0 from DRAM: 15 GB/s without, 22 at 2048, 24 at 4096, 22 at
// 8192 bytes (a plain read of the same memory: 24).
static constexpr std::int64_t kPrefetchBytes = 4096;

// Columns [0, n) of x for 16 words k, turned into 16 rows of the tile; `words` of them exist.
PLUMB_INLINE void store_turned(F32x16 (&block)[16], std::int64_t n, std::int64_t words, float* tile) {
  transpose(block);
  PLUMB_UNROLL(16)
  for (int k = 0; k < 16; ++k)
    if (k < words) {
      if (n == 16)
        store_f32(tile + k * 16, block[k]);
      else
        store_f32_first(tile + k * n, block[k], n);
    }
}
