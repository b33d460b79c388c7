// Sums of rows, each times a weight of its own. Included inside a tier's region.
//
//     sum[k] = (add ? sum[k] : 0) + weight[0] row[0][k] + weight[1] row[1][k] + ...       in this order
//
// The rows are read side by side: each is a stretch of memory of its own, too short for hardware prefetching to catch
// up with, so that the misses of all of them should be under way together. A vector is a cache line; `sum` is written
// once.

static void weighted_sum(const float* const* rows, const float* weights, int count, bool add, float* sum,
                         std::int64_t n) {
  for (std::int64_t k = 0; k < n; k += 16) {
    F32x16 total = add ? load_row(sum, k, n) : zero_f32();
    for (int i = 0; i < count; ++i) total = mul_add(splat_f32(weights[i]), load_row(rows[i], k, n), total);
    store_row(sum, k, n, total);
  }
}
