// The scan of a state space, and the steps that it takes. Included inside a tier's region, after the delta rule, which
// has softplus and the sums in four parts.
//
//     S = keep S + b (s x)^T;   out = (S^T c + skip x) silu(gate)          S [state, columns]
//
// The state as it lies: blocks of 16 columns, a vector a row of S, so that one b and one c broadcast serve a block and
// no sum crosses lanes. Per row of the batch a block is read and written once.
//
// Budget, for a block of 128 x 16 (8 KiB) in the first-level cache, with one step for all columns: 1 load, 1 store, 1
// multiply and 2 FMAs a vector of S. With a step for each column an exponential comes to every vector of S, and bounds
// it; states of Mamba 1 are short, 16 numbers a column.
//
// The chunked form (the state-space duality of Dao and Gu 2024) is the obvious alternative for prompts: products of
// chunks in place of the walk. It has more arithmetic and pays on matrix units; here the state stays in the cache for
// all rows of a batch, and one row after the other gives the same bits however a text is cut.

// `keep`: the factor of each block, or its steps, of which factors are made with the rates.
template <int Blocks, bool Channels>
PLUMB_INLINE void scan_row(F32x16 (&part)[Blocks], float* state, const float* rate, std::int64_t stride,
                           const float* write, const float* read, const F32x16 (&keep)[Blocks],
                           const F32x16 (&input)[Blocks]) {
  const F32x16 b = broadcast_f32(write), c = broadcast_f32(read);
  PLUMB_UNROLL(4)
  for (int i = 0; i < Blocks; ++i) {
    const F32x16 kept = Channels ? exp(mul(keep[i], load_f32(rate + i * stride))) : keep[i];
    const F32x16 s = mul_add(b, input[i], mul(load_f32(state + i * stride), kept));
    store_f32(state + i * stride, s);
    part[i] = mul_add(s, c, part[i]);
  }
}

// All rows, for `Blocks` blocks from column `first` on.
template <int Blocks, bool Channels>
static void scan_blocks(const StateScan& scan, std::int64_t first) {
  const std::int64_t size = scan.size, stride = size * 16, whole = size / 4 * 4, rest = size - whole;
  float* const state = scan.state + first * size;
  const float* const rate = Channels ? scan.rate + first * size : state;
  for (std::int64_t i = 0; i < scan.rows.count; ++i) {
    const std::int64_t n = scan.rows[i];
    const float *const b = scan.b[n], *const c = scan.c[n];
    F32x16 x[Blocks], keep[Blocks], input[Blocks], sums[4][Blocks];
    PLUMB_UNROLL(4)
    for (int j = 0; j < Blocks; ++j) {
      x[j] = load_row(scan.x[n], first + j * 16, scan.columns);
      const F32x16 step = Channels ? load_row(scan.step[n], first + j * 16, scan.columns) : broadcast_f32(scan.step[n]);
      keep[j] = Channels ? step : broadcast_f32(scan.keep[n]);
      input[j] = mul(step, x[j]);
    }
    clear_sums(sums);
    for (std::int64_t k = 0; k < whole; k += 4) {
      PLUMB_UNROLL(4)
      for (int p = 0; p < 4; ++p)
        scan_row<Blocks, Channels>(sums[p], state + (k + p) * 16, rate + (k + p) * 16, stride, b + k + p, c + k + p,
                                   keep, input);
    }
    PLUMB_UNROLL(4)
    for (int p = 0; p < 3; ++p) {
      if (p >= rest) break;
      const std::int64_t k = whole + p;
      scan_row<Blocks, Channels>(sums[p], state + k * 16, rate + k * 16, stride, b + k, c + k, keep, input);
    }
    PLUMB_UNROLL(4)
    for (int j = 0; j < Blocks; ++j) {
      const std::int64_t at = first + j * 16;
      const F32x16 skip = Channels ? load_row(scan.skip, at, scan.columns) : broadcast_f32(scan.skip);
      const F32x16 y = mul_add(skip, x[j], total_of(sums, j));
      store_row(scan.out[n], at, scan.columns, mul(y, Silu::apply(load_row(scan.gate[n], at, scan.columns))));
    }
  }
}

template <bool Channels>
static void state_scan(const StateScan& scan) {
  std::int64_t first = 0;
  for (; first + (kDeltaBlocks - 1) * 16 < scan.columns; first += kDeltaBlocks * 16)
    scan_blocks<kDeltaBlocks, Channels>(scan, first);
  for (; first < scan.columns; first += 16) scan_blocks<1, Channels>(scan, first);
}

static void steps_of(const float* x, const float* bias, const float* rate, float* step, float* keep, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const F32x16 steps = softplus(add(load_row(x, i, n), load_row(bias, i, n)));
    store_row(step, i, n, steps);
    if (keep) store_row(keep, i, n, exp(mul(load_row(rate, i, n), steps)));
  }
}
