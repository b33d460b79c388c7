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

// A piece of the next column tile, which one register tile asks for while it computes. The tiles of a large batch come
// from the last-level cache in runs too short for hardware prefetchers to be early.
struct Ahead {
  const std::byte* at;
  std::size_t bytes;

  // Bytes for each `step` of the k values of a product, of which there may be none.
  std::size_t of_step(std::int64_t step, std::int64_t k) const {
    return k > 0 ? bytes * static_cast<std::size_t>(step) / static_cast<std::size_t>(k) : 0;
  }
};

// Asks for the outputs that the register tile after this one will add to, in L2: the loop over k is too long for loads
// to begin early. After the last rows these are the first ones of the next columns.
template <int Panels>
PLUMB_INLINE void prefetch_outputs(const PanelProduct& p, std::int64_t row, std::int64_t first, int count,
                                   std::int64_t n) {
  const bool more = row + 16 * Panels < p.n_rows;
  const float* const out = more ? p.out + first * p.out_stride + row + 16 * Panels : p.out + (n + first) * p.out_stride;
  for (int c = 0; c < count; ++c)
    for (int i = 0; i < Panels; ++i) prefetch_l2(out + c * p.out_stride + 16 * i);
}

// How register tiles cover a product with a column tile of N. A `Tile` is a struct with kCols, the most columns that
// registers hold, activation_bytes(k, n), the size of a column tile, and multiply<Count, Panels>(p, row, first, n,
// ahead): `Panels` panels from `row` on times columns [first, first + Count) of a column tile of n.
template <class Tile, int N, int Panels, int First = 0>
PLUMB_INLINE void multiply_parts(const PanelProduct& p, std::int64_t row, Ahead& ahead) {
  constexpr int kCount = part_width(N - First, Tile::kCols);
  Tile::template multiply<kCount, Panels>(p, row, First, N, ahead);
  ahead.at += ahead.bytes;
  if constexpr (First + kCount < N) multiply_parts<Tile, N, Panels, First + kCount>(p, row, ahead);
}
template <class Tile, int N, int Panels>
PLUMB_INLINE void multiply_rows(const PanelProduct& p) {
  constexpr std::int64_t kRows = 16 * Panels, kParts = (N + Tile::kCols - 1) / Tile::kCols;
  const auto tiles = static_cast<std::size_t>((p.n_rows + kRows - 1) / kRows * kParts);
  Ahead ahead = {p.next_activations ? p.next_activations : p.activations, Tile::activation_bytes(p.k, N) / tiles};
  std::int64_t row = 0;
  for (; row + 16 * (Panels - 1) < p.n_rows; row += kRows) multiply_parts<Tile, N, Panels>(p, row, ahead);
  for (; row < p.n_rows; row += 16) multiply_parts<Tile, N, 1>(p, row, ahead);
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
