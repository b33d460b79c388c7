// y[c, r] (+)= sum_k W[r, k] * x[c, k] for BF16 weights and bf16 x, for tiers with a bf16 dot. Included inside a tier's
// region, after matmul_float.hpp.
//
// Operands in memory order: W as panels, for each pair of k the 16 pairs of 16 rows, 64 bytes; x as a column tile
// [k / 2][n] of pairs, 32 bits each; an odd K is padded with zeros in both. The plain loop it must equal:
//
//     for even k: y[c, r] = fma(W[r, k], x[c, k], fma(W[r, k + 1], x[c, k + 1], y[c, r]))
//
// The packed panels are what the instruction eats. A dot takes 5 cycles on Zen 4, 6 on Zen 5, and up to two start per
// cycle: 12 chains cover it, a tile has 16.
struct BF16Pairs {
  static constexpr std::int64_t kPairBytes = 64;
  static constexpr int kPairWords = 1;
  PLUMB_INLINE F32x16 load(const std::byte* pair, int) { return load_f32(pair); }
  PLUMB_INLINE F32x16 multiply(F32x16 acc, F32x16 w, F32x16 x) { return dot2(acc, w, x); }
};

// x[c * stride + k] -> pairs (k, k + 1) of bf16 at tile[k / 2][c], n <= 16; see KernelTable::tile_bf16_activations.
static void tile_bf16_activations(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                                  std::byte* tile) {
  float* out = reinterpret_cast<float*>(tile);
  for (std::int64_t k = 0; k < cols; k += 32, out += 16 * n) {
    const std::int64_t first = cols - k < 16 ? cols - k : 16, second = cols - k < 32 ? cols - k - first : 16;
    F32x16 block[16];
    for (int c = 0; c < 16; ++c) {
      const float* const from = x + c * stride + k;
      block[c] =
          c >= n ? zero_f32() : round_to_bf16_pairs(load_f32_first(from, first), load_f32_first(from + 16, second));
    }
    store_turned(block, n, (first + second + 1) / 2, out);
  }
}

static void add_bf16_dots(KernelTable& table) {
  add_float<BF16Pairs>(table.matmul[static_cast<std::size_t>(DType::bf16)], ActivationForm::bf16);
  table.tile_bf16_activations = tile_bf16_activations;
}
