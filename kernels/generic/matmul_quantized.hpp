// y[c, r] (+)= sum_k W[r, k] * x[c, k] for quantized W and int8 x. Included inside a tier's region.
//
// Operands in memory order: W as panels of 16 rows (formats_*.hpp), x as a column tile (ActivationStep), y row-major
// [c, r]. The plain loop, for one row r, one column c, one scale group g of W, with a the int8 codes of x:
//
//     d = sum over k in g of (code[r, k] - offset) * a[k]             exact in int32: 32 * 255 * 127 < 2^21
//     y += (scale[r, g] * scale_x[c, step]) * d - min[r, g] * sum_x[c, g]
//
// The offset is not subtracted from the codes: the accumulator starts from seed = -offset * sum(a), kept with the
// activations for offset 128 and shifted down for the others. The f32 sum runs over k in rising order in one chain per
// output, in `direct` and in `tile` alike, so the result does not depend on how many columns are computed together.

// Columns whose dots run in lockstep. A dot takes 5 cycles and two start per cycle, so about 10 chains must be in
// flight; chains that stand next to each other in the program reach the scheduler together.
static constexpr int kLockstep = 4;

// acc[c] += one step of W times column c of the tile, for columns First ... First + kLockstep - 1 (those below N).
template <class Traits, int N, int First>
PLUMB_INLINE void multiply_columns(const U8x64 (&codes)[8], const F32x16* scale, const F32x16* min,
                                   const std::byte* step, F32x16 (&acc)[N]) {
  constexpr int kColumns = N - First < kLockstep ? N - First : kLockstep;
  constexpr int kPerGroup = 8 / Traits::kGroups;
  const float* const scale_x = reinterpret_cast<const float*>(step + ActivationStep::scale(N));
  PLUMB_UNROLL(2)
  for (int g = 0; g < Traits::kGroups; ++g) {
    const std::byte* const seed =
        step + (Traits::kGroups == 1 ? ActivationStep::seed(N) : ActivationStep::seed16(N, g));
    const std::byte* const sum = step + (Traits::kGroups == 1 ? ActivationStep::sum(N) : ActivationStep::sum16(N, g));
    I32x16 dot[kColumns];
    PLUMB_UNROLL(4)
    for (int i = 0; i < kColumns; ++i) dot[i] = first_dot<Traits>(seed + 4 * (First + i));
    PLUMB_UNROLL(8)
    for (int v = kPerGroup * g; v < kPerGroup * (g + 1); ++v) {
      PLUMB_UNROLL(4)
      for (int i = 0; i < kColumns; ++i) {
        const std::byte* const a = step + 32 * (First + i) + 4 * v;
        dot[i] = Traits::kSmall ? dot4_small(dot[i], codes[v], a) : dot4(dot[i], codes[v], a);
      }
    }
    PLUMB_UNROLL(4)
    for (int i = 0; i < kColumns; ++i) {
      const int c = First + i;
      acc[c] = mul_add(to_f32(dot[i]), mul(scale[g], broadcast_f32(scale_x + c)), acc[c]);
      if constexpr (Traits::kHasMin)
        acc[c] = neg_mul_add(min[g], broadcast_f32(reinterpret_cast<const float*>(sum) + c), acc[c]);
    }
  }
}

// acc[c] += one step of W times column c of the tile.
template <class Traits, int N, int First = 0>
PLUMB_INLINE void multiply_step(const U8x64 (&codes)[8], const F32x16* scale, const F32x16* min, const std::byte* step,
                                F32x16 (&acc)[N]) {
  multiply_columns<Traits, N, First>(codes, scale, min, step, acc);
  if constexpr (First + kLockstep < N) multiply_step<Traits, N, First + kLockstep>(codes, scale, min, step, acc);
}

// Few columns: the packed bytes are streamed once and unpacked in registers. Decode is bound by memory here: a step of
// Q4_0 is 288 bytes and about 30 + 11 N instructions.
template <class Format, int N>
static void direct_quantized(const PanelProduct& p) {
  const std::int64_t blocks = p.k / (32 * Format::kBlockSteps);
  for (std::int64_t row = 0; row < p.n_rows; row += 16) {
    const std::byte* const panel = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
    const std::byte* block = panel + header_bytes<Format>();
    const std::byte* step = p.activations;
    F32x16 acc[N];
    load_accumulators(p, row, 0, acc);
    for (std::int64_t b = 0; b < blocks; ++b, block += Format::kBlockBytes) {
      for (int s = 0; s < Format::kBlockSteps; ++s, step += ActivationStep::bytes(N)) {
        prefetch_step<Format>(block, s);
        UnpackedStep<Format::kGroup> w;
        unpack_step<Format>(panel, block, s, w);
        multiply_step<TraitsOf<Format>>(w.codes, w.scale, w.min, step, acc);
      }
    }
    store_accumulators(p, row, 0, acc);
  }
}

// dot[i][c] = scale group g of one step of `Panels` unpacked panels times `Columns` columns, from their seeds on.
template <class Traits, int Columns, int Panels>
PLUMB_INLINE void dot_tile(const std::byte* w, std::size_t stride, const std::byte* codes, const std::byte* seeds,
                           int g, I32x16 (&dot)[Panels][Columns]) {
  constexpr int kPerGroup = 8 / Traits::kGroups;
  PLUMB_UNROLL(8)
  for (int c = 0; c < Columns; ++c) {
    const I32x16 seed = first_dot<Traits>(seeds + 4 * c);
    PLUMB_UNROLL(4)
    for (int i = 0; i < Panels; ++i) dot[i][c] = seed;
  }
  PLUMB_UNROLL(8)
  for (int v = kPerGroup * g; v < kPerGroup * (g + 1); ++v) {
    U8x64 weights[Panels];
    PLUMB_UNROLL(4)
    for (int i = 0; i < Panels; ++i) weights[i] = load_u8(w + static_cast<std::size_t>(i) * stride + 64 * v);
    PLUMB_UNROLL(8)
    for (int c = 0; c < Columns; ++c) {
      const I32x16 a = broadcast_i32(codes + 32 * c + 4 * v);
      PLUMB_UNROLL(4)
      for (int i = 0; i < Panels; ++i)
        dot[i][c] = Traits::kSmall ? dot4_small(dot[i][c], weights[i], a) : dot4(dot[i][c], weights[i], a);
    }
  }
}

// acc[c] += the dots of one panel, scaled on both sides, less its minimums times the sums of the activations.
template <class Traits, int Columns>
PLUMB_INLINE void add_dots(const std::byte* scales_of_panel, int g, const I32x16 (&dot)[Columns],
                           const std::byte* scales, const std::byte* sums, F32x16* acc) {
  const F32x16 scale = load_f32(scales_of_panel + 64 * g);
  PLUMB_UNROLL(8)
  for (int c = 0; c < Columns; ++c)
    acc[c] = mul_add(to_f32(dot[c]), mul(scale, broadcast_f32(reinterpret_cast<const float*>(scales) + c)), acc[c]);
  if constexpr (Traits::kHasMin) {
    const F32x16 min = load_f32(scales_of_panel + 64 * (Traits::kGroups + g));
    PLUMB_UNROLL(8)
    for (int c = 0; c < Columns; ++c)
      acc[c] = neg_mul_add(min, broadcast_f32(reinterpret_cast<const float*>(sums) + c), acc[c]);
  }
}

// acc[i][c] += one step of `Panels` unpacked panels times columns first + First ... first + Count - 1 of a column tile
// of n; codes: those of column `first`.
template <class Traits, int Count, int Panels, int First = 0>
PLUMB_INLINE void multiply_tile_step(const std::byte* w, std::size_t stride, const std::byte* codes, std::int64_t first,
                                     std::int64_t n, F32x16 (&acc)[Panels][Count]) {
  constexpr int kColumns = part_width(Count - First, kTileLockstep);
  constexpr bool kWhole = Traits::kGroups == 1;
  PLUMB_UNROLL(2)
  for (int g = 0; g < Traits::kGroups; ++g) {
    // From here on the compiler takes these for unknown addresses. It would keep the codes in registers from one set of
    // columns to the next, and accumulators on the stack for that.
    __asm__("" : "+r"(w), "+r"(codes));
    const std::byte* const words = codes - 28 * first;  // 4 bytes a column where codes have 32
    const std::byte* const seeds = words + (kWhole ? ActivationStep::seed(n) : ActivationStep::seed16(n, g));
    const std::byte* const sums = words + (kWhole ? ActivationStep::sum(n) : ActivationStep::sum16(n, g));
    I32x16 dot[Panels][kColumns];
    dot_tile<Traits>(w, stride, codes + 32 * First, seeds + 4 * First, g, dot);
    PLUMB_UNROLL(4)
    for (int i = 0; i < Panels; ++i)
      add_dots<Traits>(w + static_cast<std::size_t>(i) * stride + 512, g, dot[i],
                       words + ActivationStep::scale(n) + 4 * First, sums + 4 * First, acc[i] + First);
  }
  if constexpr (First + kColumns < Count)
    multiply_tile_step<Traits, Count, Panels, First + kColumns>(w, stride, codes, first, n, acc);
}

// `Panels` unpacked panels from `row` on times columns [first, first + Count) of a column tile of n.
template <class Traits, int Count, int Panels>
static void tile_panels(const PanelProduct& p, std::int64_t row, std::int64_t first, std::int64_t n, Ahead ahead) {
  const std::byte* w = p.panels + static_cast<std::size_t>(row / 16) * p.panel_stride;
  const std::byte* codes = p.activations + 32 * first;
  F32x16 acc[Panels][Count];
  PLUMB_UNROLL(4)
  for (int i = 0; i < Panels; ++i) load_accumulators(p, row + 16 * i, first, acc[i]);
  if (p.accumulate) prefetch_outputs<Panels>(p, row, first, Count, n);
  const std::size_t ahead_step = ahead.of_step(32, p.k);
  for (std::int64_t k = 0; k < p.k; k += 32, w += kUnpackedBytes<Traits>, codes += ActivationStep::bytes(n)) {
    prefetch_l2(ahead.at);  // for 128 rows x 16 columns a step's share is 120 bytes
    prefetch_l2(ahead.at + 64);
    ahead.at += ahead_step;
    multiply_tile_step<Traits>(w, p.panel_stride, codes, first, n, acc);
  }
  PLUMB_UNROLL(4)
  for (int i = 0; i < Panels; ++i) store_accumulators(p, row + 16 * i, first, acc[i]);
}

template <class Traits>
struct QuantizedTile {
  static constexpr int kCols = kQuantizedTileCols;
  static constexpr std::size_t activation_bytes(std::int64_t k, std::int64_t n) {
    return static_cast<std::size_t>(k / 32 * ActivationStep::bytes(n));
  }
  template <int Count, int Panels>
  PLUMB_INLINE void multiply(const PanelProduct& p, std::int64_t row, std::int64_t first, std::int64_t n, Ahead ahead) {
    tile_panels<Traits, Count, Panels>(p, row, first, n, ahead);
  }
};

// Many columns: tiles of 32 rows x 8 columns (avx512), f32 accumulators in registers: 16 of them, the dots of two
// panels with 4 columns in flight (8), a vector of codes of each panel, a broadcast and temporaries <= 32. A broadcast
// serves two dots: 6 loads for 8 dots, where one panel x 16 columns takes a load a dot and the load ports bind beside
// the arithmetic (7% slower). Per step and column: 8 dots, 1 convert, 1 multiply, 1 FMA (and 1 more FMA where there are
// minimums). Converts go to ports of their own on Zen, so that at most 8/10 of the dot rate is left (8/11).
template <class Traits, int N>
static void tile_quantized(const PanelProduct& p) {
  multiply_rows<QuantizedTile<Traits>, N, kQuantizedTilePanels>(p);
}
