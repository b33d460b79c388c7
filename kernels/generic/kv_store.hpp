// Puts keys and values into their tiles (cpu/attention_kernels.hpp draws them). Included inside a tier's region.
//
// A key is a column of its tile: its elements go to places 16 elements apart, converted 16 at a time before. Int8:
// scale = max|x| / 127 and codes = round(x / scale), never -128; a row of zeros has scale 0.

PLUMB_INLINE float int8_scale(const float* x, int dim) {
  F32x16 largest = zero_f32();
  for (std::int64_t i = 0; i < dim; i += 16) largest = max(largest, abs(load_row(x, i, dim)));
  return reduce_max(largest) / 127.0f;
}
PLUMB_INLINE F32x16 inverse_of(float scale) { return splat_f32(scale > 0 ? 1.0f / scale : 0.0f); }
PLUMB_INLINE I32x16 int8_codes(F32x16 x, F32x16 inverse) {
  // 1 / scale overflows for scales below 2^-128: the clamp keeps codes codes. NaN becomes 127, and its scale is NaN.
  return round_to_i32(max(splat_f32(-127.0f), min(mul(x, inverse), splat_f32(127.0f))));
}

// Finite numbers stay finite: an infinite value would turn the weight 0 of a row that does not see it into NaN.
PLUMB_INLINE F32x16 within_f16(F32x16 x) { return max(splat_f32(-65504.0f), min(splat_f32(65504.0f), x)); }

template <class T>
PLUMB_INLINE void scatter(const T* from, int n, std::byte* column) {
  for (int i = 0; i < n; ++i)
    std::memcpy(column + static_cast<std::size_t>(i) * kKeyTile * sizeof(T), from + i, sizeof(T));
}

static void store_key_f32(const float* key, int dim, std::byte* tile, int slot) { scatter(key, dim, tile + 4 * slot); }
static void store_key_f16(const float* key, int dim, std::byte* tile, int slot) {
  for (int i = 0; i < dim; i += 16) {
    alignas(32) std::uint16_t halves[16];
    store_f16(halves, within_f16(load_row(key, i, dim)));
    scatter(halves, dim - i < 16 ? dim - i : 16, tile + 2 * (i * kKeyTile + slot));
  }
}
static void store_key_i8(const float* key, int dim, std::byte* tile, int slot) {
  const float scale = int8_scale(key, dim);
  for (int i = 0; i < dim; i += 16) {
    alignas(16) std::int8_t codes[16];
    store_as_i8(codes, int8_codes(load_row(key, i, dim), inverse_of(scale)));
    scatter(codes, dim - i < 16 ? dim - i : 16, tile + (i * kKeyTile + slot));
  }
  std::memcpy(tile + dim * kKeyTile + 4 * slot, &scale, 4);
}

static void store_value_f32(const float* value, int dim, std::byte* tile, int slot) {
  const int padded = padded_value_dim(dim);
  for (int i = 0; i < dim; i += 16)
    store_f32(reinterpret_cast<float*>(tile) + slot * padded + i, load_row(value, i, dim));
}
static void store_value_f16(const float* value, int dim, std::byte* tile, int slot) {
  const int padded = padded_value_dim(dim);
  for (int i = 0; i < dim; i += 16) store_f16(tile + 2 * (slot * padded + i), within_f16(load_row(value, i, dim)));
}
static void store_value_i8(const float* value, int dim, std::byte* tile, int slot) {
  const int padded = padded_value_dim(dim);
  const float scale = int8_scale(value, dim);
  for (int i = 0; i < dim; i += 16)
    store_as_i8(tile + slot * padded + i, int8_codes(load_row(value, i, dim), inverse_of(scale)));
  std::memcpy(tile + padded * kKeyTile + 4 * slot, &scale, 4);
}
