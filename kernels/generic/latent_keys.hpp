// Keys of latent attention, which are kept as rows because values are: turned on the way. Included inside a tier's
// region.
//
//     rows [16 positions][stride]    one vector = 16 dimensions of a position
//     keys [dim][16 positions]       one vector = the same dimension of 16 positions
//
//     for p < count, d < dim: keys[d, p] = rows[p, d] (* scale[p]);   keys of other positions are 0
//
// A block of 16 x 16 is 16 loads, 64 shuffles and 16 stores; 16 query heads multiply 512 times with it. Rows are padded
// to 16 elements.

PLUMB_INLINE void load_positions(const float* rows, std::int64_t stride, int count, F32x16 (&m)[16]) {
  if (count == kKeyTile) {
    PLUMB_UNROLL(16)
    for (int p = 0; p < kKeyTile; ++p) m[p] = load_f32(rows + p * stride);
    return;
  }
  for (int p = 0; p < kKeyTile; ++p) m[p] = p < count ? load_f32(rows + p * stride) : zero_f32();
}

static void keys_of_rows(const float* rows, std::int64_t stride, int count, int dim, const std::byte* scales,
                         float* keys) {
  const F32x16 scale = scales ? load_f32_first(reinterpret_cast<const float*>(scales), count) : splat_f32(1.0f);
  for (int d = 0; d < dim; d += 16, keys += 16 * kKeyTile) {
    F32x16 m[16];
    load_positions(rows + d, stride, count, m);
    transpose(m);
    if (dim - d >= 16) {
      PLUMB_UNROLL(16)
      for (int i = 0; i < 16; ++i) store_f32(keys + i * kKeyTile, mul(m[i], scale));
    } else {
      for (int i = 0; i < dim - d; ++i) store_f32(keys + i * kKeyTile, mul(m[i], scale));
    }
  }
}
