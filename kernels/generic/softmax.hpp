// x[i] = exp(x[i] - max) / sum in place, and exp of an array. Included inside a tier's region.
//
// The sum is taken in double, 16 partial sums added as a tree.

static void softmax(float* x, std::int64_t n) {
  const F32x16 lowest = splat_f32(-std::numeric_limits<float>::infinity());
  F32x16 tops = lowest;
  for (std::int64_t i = 0; i < n; i += 16)
    tops = max(tops, select(lanes_between(0, n - i < 16 ? static_cast<int>(n - i) : 16), load_row(x, i, n), lowest));
  const F32x16 top = splat_f32(reduce_max(tops));
  F64x16 sums = zero_f64();
  for (std::int64_t i = 0; i < n; i += 16) {
    F32x16 e = exp(sub(load_row(x, i, n), top));
    store_row(x, i, n, e);
    if (i + 16 > n) e = select(lanes_between(0, static_cast<int>(n - i)), e, zero_f32());
    sums = add(sums, to_f64(e));
  }
  const F32x16 scale = splat_f32(static_cast<float>(1.0 / reduce_add(sums)));
  for (std::int64_t i = 0; i < n; i += 16) store_row(x, i, n, mul(load_row(x, i, n), scale));
}

static void exp_of(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) store_row(y, i, n, exp(load_row(x, i, n)));
}
static void tanh_of(const float* x, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) store_row(y, i, n, tanh(load_row(x, i, n)));
}
