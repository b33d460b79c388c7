// GPTQ's compensation: errors of 16 rows, one a lane, through some rows of the factor.

// `together` rows of coefficients at a time: each vector of errors is loaded once for all of them.
template <int together>
static inline void compensate_some(const float* coefficients, std::int64_t stride, std::int64_t first,
                                   std::int64_t last, const float* errors, float* sums) {
  for (int lane = 0; lane < kBatch; lane += kLanes) {
    Floats sum[together];
    for (int j = 0; j < together; ++j) sum[j] = load(sums + j * kBatch + lane);
    for (std::int64_t i = first; i < last; ++i) {
      const Floats error = load(errors + i * kBatch + lane);
      for (int j = 0; j < together; ++j) sum[j] += coefficients[j * stride + i] * error;
    }
    for (int j = 0; j < together; ++j) store(sums + j * kBatch + lane, sum[j]);
  }
}

static void compensate(const float* coefficients, std::int64_t stride, std::int64_t count, std::int64_t first,
                       std::int64_t last, const float* errors, float* sums) {
  constexpr int kTogether = 8;
  std::int64_t j = 0;
  for (; j + kTogether <= count; j += kTogether)
    compensate_some<kTogether>(coefficients + j * stride, stride, first, last, errors, sums + j * kBatch);
  for (; j < count; ++j) compensate_some<1>(coefficients + j * stride, stride, first, last, errors, sums + j * kBatch);
}
