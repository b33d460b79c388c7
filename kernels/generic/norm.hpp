// Norms of one row. Included inside a tier's region.
//
//     rms:   y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]
//     layer: y[i] = (x[i] - mean(x)) / sqrt(var(x) + eps) * weight[i] + bias[i]
//
// Sums are taken in double, 16 partial sums (element i belongs to lane i % 16) added as a tree: squares of large rows
// do not overflow and a mean that dwarfs the spread does not cancel. A row is short beside the matrices around it: 2048
// elements are 128 steps of two conversions and two FMAs.

PLUMB_INLINE F32x16 load_row(const float* x, std::int64_t i, std::int64_t n) {
  return i + 16 <= n ? load_f32(x + i) : load_f32_first(x + i, n - i);
}
PLUMB_INLINE void store_row(float* y, std::int64_t i, std::int64_t n, F32x16 value) {
  if (i + 16 <= n)
    store_f32(y + i, value);
  else
    store_f32_first(y + i, value, n - i);
}

static void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  F64x16 squares = zero_f64();
  for (std::int64_t i = 0; i < n; i += 16) {
    const F64x16 wide = to_f64(load_row(x, i, n));
    squares = mul_add(wide, wide, squares);
  }
  const double mean = reduce_add(squares) / static_cast<double>(n);
  const F32x16 scale = splat_f32(static_cast<float>(1.0 / std::sqrt(mean + static_cast<double>(eps))));
  for (std::int64_t i = 0; i < n; i += 16) {
    const F32x16 unit = mul(load_row(x, i, n), scale);
    store_row(y, i, n, weight ? mul(unit, load_row(weight, i, n)) : unit);
  }
}

alignas(64) constexpr float kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void layer_norm(const float* x, const float* weight, const float* bias, float eps, float* y, std::int64_t n) {
  const double count = static_cast<double>(n);
  F64x16 sum = zero_f64();
  for (std::int64_t i = 0; i < n; i += 16) sum = add(sum, to_f64(load_row(x, i, n)));
  const F64x16 mean = splat_f64(reduce_add(sum) / count);
  F64x16 squares = zero_f64();
  for (std::int64_t i = 0; i < n; i += 16) {
    F64x16 d = sub(to_f64(load_row(x, i, n)), mean);
    if (i + 16 > n) d = mul(d, to_f64(load_f32_first(kOnes, n - i)));  // lanes beyond the row count for nothing
    squares = mul_add(d, d, squares);
  }
  const double variance = reduce_add(squares) / count;
  const F64x16 scale = splat_f64(1.0 / std::sqrt(variance + static_cast<double>(eps)));
  for (std::int64_t i = 0; i < n; i += 16) {
    F32x16 value = to_f32(mul(sub(to_f64(load_row(x, i, n)), mean), scale));
    if (weight) value = mul(value, load_row(weight, i, n));
    if (bias) value = add(value, load_row(bias, i, n));
    store_row(y, i, n, value);
  }
}
