// x[c, k] -> a column tile of int8 codes with a scale per 32 values (ActivationStep). Included inside a tier's region.
//
//     x     [c][stride], f32
//     tile  [k / 32][60 n] bytes: codes of all columns, their scales, seeds, sums, and the halves of the last two
//
// For each block of 32 values of a column, with x_m the one of largest magnitude:
//
//     scale = x_m / -128 or x_m / -127, whichever leaves the smaller sum of (x - scale * code)^2
//     code  = round(x / scale), at most 127
//
// The value of largest magnitude becomes the negative code, whatever its sign: with -128 the step is 1/128 of it, where
// a symmetric range would make it 1/127; a value as large of the other sign is cut to 127. The sum of 32 rounding
// errors varies by 16% of its mean, so the better of two steps is 9% below it (quantize-then-multiply NMSE of
// quant-models/Q8_0: 2.00e-4 with 1/127 alone, 1.93e-4 with 1/128 alone, 1.75e-4 with the better of the two).
//
// Budget: sums across lanes and divisions cost more than the 32 roundings. So the scales of 16 blocks are worked out
// together, one a lane, and of each block only its magnitude and the sign of the error's difference are summed across.
// Which step is better and which sign the extreme has are coin tosses: as branches they were mispredicted every other
// time (25 ns a block on Zen 5, against 7.5 for values that repeat), as indices they cost nothing.
//
// All cores read a tile; when it is written again a store waits until the others have given its line up. Wide tiles ask
// for lines well before they write them: 36 -> 21 ns a block between two cores of Zen 5. Few columns have too
// little work for that (batches of 64 of a 15M model: 3% faster without).

template <class T>
PLUMB_INLINE void put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

// Magnitudes below this are taken for zeros: their inverse would not be finite.
static constexpr float kSmallestExtreme = 1e-35f;

// The two steps of 16 blocks, [0] fine and [1] coarse, and what values are multiplied with to become codes.
struct BlockSteps {
  alignas(64) float step[2][16];
  alignas(64) float to_code[2][16];
};

// The value of largest magnitude of 32: that of the positive one, should both signs have it.
PLUMB_INLINE float extreme_of(F32x16 low, F32x16 high) {
  const F32x16 above = larger_of(low, high);
  const float magnitude = reduce_max(larger_of(above, negate(smaller_of(low, high))));
  const float either[2] = {-magnitude, magnitude};
  return either[any_at_least(above, magnitude) ? 1 : 0];
}

PLUMB_INLINE void find_steps(const float* extremes, BlockSteps& steps) {
  const F32x16 extreme = load_f32(extremes);
  const Mask16 usable = less(splat_f32(kSmallestExtreme), abs(extreme));
  const F32x16 inverse = select(usable, div(splat_f32(1.0f), extreme), zero_f32());
  store_f32(steps.step[0], mul(extreme, splat_f32(-1.0f / 128)));
  store_f32(steps.step[1], mul(extreme, splat_f32(-1.0f / 127)));
  store_f32(steps.to_code[0], mul(inverse, splat_f32(-128.0f)));
  store_f32(steps.to_code[1], mul(inverse, splat_f32(-127.0f)));
}

PLUMB_INLINE I32x16 to_codes(F32x16 x, float to_code) {
  return round_to_i32(smaller_of(mul(x, splat_f32(to_code)), splat_f32(127.0f)));
}

// Squared errors of 32 values in one step, 16 partial sums.
PLUMB_INLINE F32x16 squared_errors(F32x16 low, F32x16 high, float to_code, float step) {
  const F32x16 back = splat_f32(step);
  const F32x16 low_error = neg_mul_add(to_f32(to_codes(low, to_code)), back, low);
  const F32x16 high_error = neg_mul_add(to_f32(to_codes(high, to_code)), back, high);
  return mul_add(low_error, low_error, mul(high_error, high_error));
}

// 1 where the coarse step of block b is the better one.
PLUMB_INLINE int better_step(F32x16 low, F32x16 high, const BlockSteps& steps, int b) {
  const F32x16 fine = squared_errors(low, high, steps.to_code[0][b], steps.step[0][b]);
  const F32x16 coarse = squared_errors(low, high, steps.to_code[1][b], steps.step[1][b]);
  return sum_of(sub(fine, coarse)) <= 0 ? 0 : 1;
}

// Codes, scale, seeds and sums of one block into column c of its step.
PLUMB_INLINE void store_block(std::byte* step, std::int64_t n, std::int64_t c, I32x16 low, I32x16 high, float scale) {
  const std::int32_t halves[2] = {store_as_i8(step + 32 * c, low), store_as_i8(step + 32 * c + 16, high)};
  const std::int32_t whole = halves[0] + halves[1];
  std::byte* const column = step + 4 * c;
  put(column + ActivationStep::scale(n), scale);
  put(column + ActivationStep::seed(n), -128 * whole);
  put(column + ActivationStep::sum(n), scale * static_cast<float>(whole));
  for (int half = 0; half < 2; ++half) {
    put(column + ActivationStep::seed16(n, half), -128 * halves[half]);
    put(column + ActivationStep::sum16(n, half), scale * static_cast<float>(halves[half]));
  }
}

// A block of a tile: its 32 values, its step and its column.
struct TileBlock {
  const float* x;
  std::byte* step;
  std::int64_t column;
};

// Up to 16 blocks of a tile of n columns, in any order.
PLUMB_INLINE void quantize_blocks(const TileBlock* blocks, int count, std::int64_t n) {
  alignas(64) float extremes[16] = {};
  for (int b = 0; b < count; ++b) extremes[b] = extreme_of(load_f32(blocks[b].x), load_f32(blocks[b].x + 16));
  BlockSteps steps;
  find_steps(extremes, steps);
  int better[16];
  for (int b = 0; b < count; ++b) better[b] = better_step(load_f32(blocks[b].x), load_f32(blocks[b].x + 16), steps, b);
  for (int b = 0; b < count; ++b) {
    const float to_code = steps.to_code[better[b]][b];
    store_block(blocks[b].step, n, blocks[b].column, to_codes(load_f32(blocks[b].x), to_code),
                to_codes(load_f32(blocks[b].x + 16), to_code), steps.step[better[b]][b]);
  }
}

// 16 steps of 16 columns, 15 KiB, stay in L1 over the columns.
static constexpr std::int64_t kQuantizedSteps = 16;

static void quantize_activations(const float* x, std::int64_t stride, std::int64_t n, std::int64_t cols,
                                 std::byte* tile) {
  TileBlock blocks[16];
  int count = 0;
  constexpr std::int64_t kStretch = 32 * kQuantizedSteps;
  constexpr std::int64_t kLines = 16 * ActivationStep::bytes(1) / kAlignment;  // that 16 blocks fill
  const bool claims = n > kDirectCols && cols > kStretch;
  const std::byte* ahead = tile + ActivationStep::bytes(n) * kQuantizedSteps;
  for (std::int64_t k = 0; k < cols; k += kStretch) {
    const std::int64_t end = k + kStretch < cols ? k + kStretch : cols;
    for (std::int64_t c = 0; c < n; ++c)
      for (std::int64_t at = k; at < end; at += 32) {
        blocks[count++] = {x + c * stride + at, tile + at / 32 * ActivationStep::bytes(n), c};
        if (count < 16) continue;
        for (int line = 0; line < kLines && claims; ++line, ahead += kAlignment) prefetch_to_write(ahead);
        quantize_blocks(blocks, count, n);
        count = 0;
      }
  }
  quantize_blocks(blocks, count, n);
}
