// y[c, r] (+)= sum_k W[r, k] * x[c, k] for quantized W and int8 x, as plain as it can be: the answer that the kernels
// of generic/matmul_quantized.hpp must give, whose head explains operands and arithmetic. There are no registers to
// fill here, so one function serves any number of columns, and one loop serves packed and unpacked weights.

// acc[c] += one step of W times each of the `n` columns of the tile.
template <class Traits>
static void multiply_step(const U8x64 (&codes)[8], const F32x16* scale, const F32x16* min, const std::byte* step, int n,
                          F32x16* acc) {
  constexpr int kPerGroup = 8 / Traits::kGroups;
  constexpr bool kWhole = Traits::kGroups == 1;
  const float* const scale_x = reinterpret_cast<const float*>(step + ActivationStep::scale(n));
  for (int g = 0; g < Traits::kGroups; ++g) {
    const std::byte* const seed = step + (kWhole ? ActivationStep::seed(n) : ActivationStep::seed16(n, g));
    const std::byte* const sum = step + (kWhole ? ActivationStep::sum(n) : ActivationStep::sum16(n, g));
    for (int c = 0; c < n; ++c) {
      I32x16 dot = first_dot<Traits>(seed + 4 * c);
      for (int v = kPerGroup * g; v < kPerGroup * (g + 1); ++v) dot = dot4(dot, codes[v], step + 32 * c + 4 * v);
      acc[c] = mul_add(to_f32(dot), mul(scale[g], broadcast_f32(scale_x + c)), acc[c]);
      if constexpr (Traits::kHasMin)
        acc[c] = neg_mul_add(min[g], broadcast_f32(reinterpret_cast<const float*>(sum) + c), acc[c]);
    }
  }
}

// From packed weights.
template <class Format>
static void multiply_packed(const PanelProduct& p, int n) {
  const std::int64_t blocks = p.k / (32 * Format::kBlockSteps);
  for (std::int64_t row = 0; row < p.n_rows; row += 16) {
    const std::byte* const panel = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
    const std::byte* block = panel + header_bytes<Format>();
    const std::byte* step = p.activations;
    F32x16 acc[kTileCols];
    load_columns(p, row, n, acc);
    for (std::int64_t b = 0; b < blocks; ++b, block += Format::kBlockBytes)
      for (int s = 0; s < Format::kBlockSteps; ++s, step += ActivationStep::bytes(n)) {
        UnpackedStep<Format::kGroup> w;
        unpack_step<Format>(panel, block, s, w);
        multiply_step<TraitsOf<Format>>(w.codes, w.scale, w.min, step, n, acc);
      }
    store_columns(p, row, n, acc);
  }
}

// From weights that unpack_quantized unpacked.
template <class Traits>
static void multiply_unpacked(const PanelProduct& p, int n) {
  for (std::int64_t row = 0; row < p.n_rows; row += 16) {
    const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
    const std::byte* step = p.activations;
    F32x16 acc[kTileCols];
    load_columns(p, row, n, acc);
    for (std::int64_t k = 0; k < p.k; k += 32, w += kUnpackedBytes<Traits>, step += ActivationStep::bytes(n)) {
      U8x64 codes[8];
      F32x16 scales[2 * Traits::kGroups];  // and minimums
      std::memcpy(codes, w, sizeof codes);
      std::memcpy(scales, w + sizeof codes, kUnpackedBytes<Traits> - sizeof codes);
      multiply_step<Traits>(codes, scales, scales + Traits::kGroups, step, n, acc);
    }
    store_columns(p, row, n, acc);
  }
}

template <class Format, int N>
static void direct_quantized(const PanelProduct& p) {
  multiply_packed<Format>(p, N);
}
template <class Traits, int N>
static void tile_quantized(const PanelProduct& p) {
  multiply_unpacked<Traits>(p, N);
}
