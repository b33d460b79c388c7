// Causal convolutions of a few taps, each channel by itself. Included inside a tier's region.
//
//     y[t, c] = act(bias[c] + sum over j of weight[j, c] * x'[t - (kernel - 1) + j, c]) * times[t, c],   x' = x * gate
//
// Operands as they lie: rows of channels side by side, so that one vector is 16 channels and no sum crosses lanes. A
// row reads the `kernel` latest rows, which its predecessor has left in the first-level cache, and the weights [kernel,
// channels], which stay there: of a head of 128 channels and 4 taps 2 KiB each. Sums run in rising j, whatever rows
// come in one call, so that a text may be cut anywhere.

// A row is a stride of many pages away from the one before, where hardware prefetching does not follow.
constexpr std::int64_t kConvolutionAhead = 4;
PLUMB_INLINE void prefetch_convolution(const Convolution& c, std::int64_t row) {
  for (std::int64_t k = 0; k < c.channels; k += 16) {
    prefetch_l2(c.x[row] + k);
    if (c.gate) prefetch_l2(c.gate[row] + k);
    if (c.times) prefetch_l2(c.times[row] + k);
    __builtin_prefetch(c.out[row] + k, 1, 2);
  }
}

static void convolve(const Convolution& c) {
  const int before = c.kernel - 1;
  const float *value[kMaxConvolution], *gate[kMaxConvolution];
  for (std::int64_t i = 0; i < c.rows.count; ++i) {
    for (int j = 0; j < c.kernel; ++j) {
      const std::int64_t t = i - before + j;
      value[j] = t < 0 ? c.history[before + t] : c.x[c.rows[t]];
      gate[j] = t < 0 || !c.gate ? nullptr : c.gate[c.rows[t]];
    }
    float* const out = c.out[c.rows[i]];
    if (i + kConvolutionAhead < c.rows.count) prefetch_convolution(c, c.rows[i + kConvolutionAhead]);
    for (std::int64_t k = 0; k < c.channels; k += 16) {
      F32x16 sum = c.bias ? load_row(c.bias, k, c.channels) : zero_f32();
      for (int j = 0; j < c.kernel; ++j) {
        F32x16 x = load_row(value[j], k, c.channels);
        if (gate[j]) x = mul(x, load_row(gate[j], k, c.channels));
        sum = mul_add(load_row(c.weight[j], k, c.channels), x, sum);
      }
      if (c.silu) sum = Silu::apply(sum);
      if (c.times) sum = mul(sum, load_row(c.times[c.rows[i]], k, c.channels));
      store_row(out, k, c.channels, sum);
    }
  }
  // The last inputs, oldest first: what moves up inside the history is read before it is overwritten.
  for (int j = 0; j < before; ++j) {
    const std::int64_t t = c.rows.count - before + j;
    const float* const from = t < 0 ? c.history[before + t] : c.x[c.rows[t]];
    const float* const times = t < 0 || !c.gate ? nullptr : c.gate[c.rows[t]];
    for (std::int64_t k = 0; k < c.channels; k += 16) {
      const F32x16 x = load_row(from, k, c.channels);
      store_row(c.history[j], k, c.channels, times ? mul(x, load_row(times, k, c.channels)) : x);
    }
  }
}
