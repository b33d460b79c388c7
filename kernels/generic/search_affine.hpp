// Scale and minimum search for grids w = d * q + m, q in 0 ... high: 16 blocks at a time.

// A starting grid: the code of a weight is high / 2 + shift + (x - middle) * (high + widen) / range, with middle and
// range of the block's weights. Positive `widen` clips at both ends, `shift` moves the clipping to one of them.
struct AffineStart {
  float widen, shift;
};

struct AffineGrid {
  float high;
  const AffineStart* starts;
  int n_starts;
  bool minimum_below_zero;  // m <= 0, as the K types need it
};

struct AffineFit {
  Floats d, m;
};

// What does not depend on the grid.
struct AffineBlock {
  Floats w, wx;      // sums of w and of w x
  Floats low, high;  // smallest and largest weight
};

template <bool weighted>
static inline AffineBlock describe(const Batch& batch, int lane, bool minimum_below_zero) {
  AffineBlock b{};
  b.low = b.high = load(batch.x + lane);
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    const Floats w = cost<weighted>(batch, k, lane);
    b.w += w;
    b.wx += w * x;
    b.low = smaller(b.low, x);
    b.high = larger(b.high, x);
  }
  if (minimum_below_zero) b.low = smaller(b.low, Floats{});
  return b;
}

// Sums over a lane for codes q nearest to (x - m) / d.
struct AffineSums {
  Floats q, qq, xq;  // of w q, w q q, w x q
};

template <bool weighted>
static inline AffineSums affine_sums(const Batch& batch, int lane, Floats d, Floats m, float high) {
  const Floats inverse = inverse_or_zero(d);
  AffineSums sums{};
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    const Floats q = nearest_between((x - m) * inverse, Floats{}, splat(high));
    const Floats wq = weighted ? cost<weighted>(batch, k, lane) * q : q;
    sums.q += wq;
    sums.qq += q * wq;
    sums.xq += x * wq;
  }
  return sums;
}

// Sum of w (x - d q - m)^2 for scale and minimum as they will be stored.
template <bool weighted>
static inline Floats affine_error(const Batch& batch, int lane, Floats d, Floats m, float high) {
  const Floats inverse = inverse_or_zero(d);
  Floats error{};
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    const Floats off = x - (d * nearest_between((x - m) * inverse, Floats{}, splat(high)) + m);
    error += weighted ? cost<weighted>(batch, k, lane) * off * off : off * off;
  }
  return error;
}

// Scale and minimum that are best for given codes: the regression of x on q. `gain` is the error taken away, against
// the best constant.
static inline AffineFit refit(const AffineBlock& b, const AffineSums& sums, bool minimum_below_zero, Floats& gain) {
  const Floats mean_q = divide_or_zero(sums.q, b.w);
  const Floats covariance = sums.xq - mean_q * b.wx, variance = sums.qq - mean_q * sums.q;
  AffineFit fit;
  fit.d = select(variance > 0.0f, divide_or_zero(covariance, variance), Floats{});
  fit.m = divide_or_zero(b.wx - fit.d * sums.q, b.w);
  gain = fit.d * covariance;
  if (minimum_below_zero) {  // where the free minimum would be positive, the best allowed one is zero
    const Ints positive = fit.m > 0.0f;
    const Floats d = divide_or_zero(sums.xq, sums.qq);
    fit.d = select(positive, d, fit.d);
    fit.m = select(positive, Floats{}, fit.m);
    gain = select(positive, d * sums.xq - divide_or_zero(b.wx * b.wx, b.w), gain);
  }
  return fit;
}

// For each lane the scale and minimum that explain most: every start refitted, the best one refined.
template <bool weighted>
static inline AffineFit search_affine(const Batch& batch, int lane, const AffineBlock& b, const AffineGrid& grid,
                                      int rounds) {
  const Floats range = b.high - b.low, middle = 0.5f * (b.high + b.low);
  AffineFit best{Floats{}, b.low};
  Floats best_gain = splat(-3e38f), gain;
  for (int i = 0; i < grid.n_starts; ++i) {
    const Floats d = range / splat(grid.high + grid.starts[i].widen);
    const Floats m = middle - d * splat(0.5f * grid.high + grid.starts[i].shift);
    const AffineFit fit = refit(b, affine_sums<weighted>(batch, lane, d, m, grid.high), grid.minimum_below_zero, gain);
    const Ints better = gain > best_gain;
    best.d = select(better, fit.d, best.d);
    best.m = select(better, fit.m, best.m);
    best_gain = select(better, gain, best_gain);
  }
  for (int round = 0; round < rounds; ++round)
    best = refit(b, affine_sums<weighted>(batch, lane, best.d, best.m, grid.high), grid.minimum_below_zero, gain);
  return best;
}

// The searched scale and minimum as f16, or those of plain rounding where they are better.
template <bool weighted>
static inline AffineFit search_half_affine(const Batch& batch, int lane, const AffineGrid& grid, int rounds) {
  const AffineBlock b = describe<weighted>(batch, lane, grid.minimum_below_zero);
  AffineFit found = search_affine<weighted>(batch, lane, b, grid, rounds);
  found = {to_half_grid(found.d), to_half_grid(found.m)};
  const AffineFit plain = {to_half_grid((b.high - b.low) / splat(grid.high)), to_half_grid(b.low)};
  const Ints keep = affine_error<weighted>(batch, lane, found.d, found.m, grid.high) <=
                    affine_error<weighted>(batch, lane, plain.d, plain.m, grid.high);
  return {select(keep, found.d, plain.d), select(keep, found.m, plain.m)};
}
