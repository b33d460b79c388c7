// f32 activations to column tiles [k][n]: the n values of one k side by side. Included inside a tier's region.

// x[c * stride + k] -> tile[k * n + c], n <= 16.
static void tile_f32_activations(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                                 std::byte* tile) {
  float* out = reinterpret_cast<float*>(tile);
  for (std::int64_t k = 0; k < cols; k += 16, out += 16 * n) {
    const std::int64_t words = cols - k < 16 ? cols - k : 16;
    F32x16 block[16];
    PLUMB_UNROLL(16)
    for (int c = 0; c < 16; ++c) {
      const float* const from = x + c * stride + k;
      block[c] = c >= n ? zero_f32() : words == 16 ? load_f32(from) : load_f32_first(from, words);
    }
    store_turned(block, n, words, out);
  }
}
