// Super-blocks whose sub-blocks have integer scales and minima (Q2_K, Q4_K, Q5_K): w = d * scale * q - dmin * minimum.
// Lanes are sub-blocks; n_sub of them share d and dmin.

struct SuperAffine {
  float d[kBatch], dmin[kBatch];  // one a lane, equal within a super-block, f16 values >= 0
  float scale[kBatch], minimum[kBatch];
};

// Sums of one lane, kept for the refit of d and dmin.
struct SuperSums {
  float error[kBatch], w[kBatch], wx[kBatch], q[kBatch], qq[kBatch], xq[kBatch];
};

// Given each lane's wish and its super-block's d and dmin: the integer scale and minimum of least error, among scales
// within `reach` of the wish, each with the minimum that fits it.
template <bool weighted>
static inline void nearby_pair(const Batch& batch, int lane, const AffineBlock& b, const AffineFit& wish, float high,
                               float limit, int reach, SuperAffine& fit, SuperSums& sums) {
  const Floats d = load(fit.d + lane), dmin = load(fit.dmin + lane);
  const Floats inverse_min = inverse_or_zero(dmin);
  const Floats centre = nearest_between(wish.d * inverse_or_zero(d), Floats{}, splat(limit));
  Floats best_scale{}, best_minimum{}, best_error = splat(3e38f);
  for (int step = -reach; step <= reach; ++step) {
    const Floats scale = smaller(larger(centre + static_cast<float>(step), Floats{}), splat(limit));
    const Floats codes = affine_sums<weighted>(batch, lane, d * scale, wish.m, high).q;
    const Floats free_minimum = divide_or_zero(d * scale * codes - b.wx, b.w);
    const Floats minimum = nearest_between(free_minimum * inverse_min, Floats{}, splat(limit));
    const Floats error = affine_error<weighted>(batch, lane, d * scale, -(dmin * minimum), high);
    const Ints better = error < best_error;
    best_scale = select(better, scale, best_scale);
    best_minimum = select(better, minimum, best_minimum);
    best_error = select(better, error, best_error);
  }
  store(fit.scale + lane, best_scale);
  store(fit.minimum + lane, best_minimum);
  const AffineSums chosen = affine_sums<weighted>(batch, lane, d * best_scale, -(dmin * best_minimum), high);
  store(sums.error + lane, best_error);
  store(sums.w + lane, b.w);
  store(sums.wx + lane, b.wx);
  store(sums.q + lane, chosen.q);
  store(sums.qq + lane, chosen.qq);
  store(sums.xq + lane, chosen.xq);
}

// The d and dmin that are best for given integers and codes of lanes first ... first + n_sub - 1: the normal equations
// of x ~ d (scale q) - dmin (minimum), as f16.
static inline void refit_super(const SuperSums& sums, int first, int n_sub, SuperAffine& fit) {
  double ss = 0, sm = 0, mm = 0, sx = 0, mx = 0;
  for (int s = first; s < first + n_sub; ++s) {
    const double scale = fit.scale[s], minimum = fit.minimum[s];
    ss += scale * scale * sums.qq[s];
    sm += scale * minimum * sums.q[s];
    mm += minimum * minimum * sums.w[s];
    sx += scale * sums.xq[s];
    mx += minimum * sums.wx[s];
  }
  const double determinant = ss * mm - sm * sm;
  double d = ss > 0 ? sx / ss : 0, dmin = 0;
  if (determinant > 1e-9 * ss * mm) {
    d = (sx * mm - sm * mx) / determinant;
    dmin = (sx * sm - ss * mx) / determinant;
  }
  const float d_half = to_float(to_half_saturated(static_cast<float>(d > 0 ? d : 0)));
  const float dmin_half = to_float(to_half_saturated(static_cast<float>(dmin > 0 ? dmin : 0)));
  for (int s = first; s < first + n_sub; ++s) fit.d[s] = d_half, fit.dmin[s] = dmin_half;
}

// Fits 16 / n_sub super-blocks. `limit` is the largest integer scale.
template <bool weighted, int n_sub>
static void search_super_affine(const Batch& batch, const AffineGrid& grid, float limit, int reach, SuperAffine& best) {
  constexpr int kSearchRounds = 2, kSuperRounds = 3;
  alignas(64) float step[kBatch], depth[kBatch];
  AffineFit wish[kBatch / kLanes];
  AffineBlock block[kBatch / kLanes];
  for (int g = 0; g < kBatch / kLanes; ++g) {
    block[g] = describe<weighted>(batch, g * kLanes, true);
    wish[g] = search_affine<weighted>(batch, g * kLanes, block[g], grid, kSearchRounds);
    store(step + g * kLanes, wish[g].d);
    store(depth + g * kLanes, -wish[g].m);
  }
  SuperAffine fit;
  SuperSums sums;
  float best_error[kBatch / n_sub];
  for (int first = 0; first < kBatch; first += n_sub) {
    const float d = to_float(to_half_saturated(detail::span_of(step + first, n_sub).high / limit));
    const float dmin = to_float(to_half_saturated(detail::span_of(depth + first, n_sub).high / limit));
    for (int s = first; s < first + n_sub; ++s) fit.d[s] = d, fit.dmin[s] = dmin;
    best_error[first / n_sub] = 3e38f;
  }
  for (int round = 0; round < kSuperRounds; ++round) {
    for (int g = 0; g < kBatch / kLanes; ++g)
      nearby_pair<weighted>(batch, g * kLanes, block[g], wish[g], grid.high, limit, reach, fit, sums);
    for (int first = 0; first < kBatch; first += n_sub) {
      float total = 0;
      for (int s = first; s < first + n_sub; ++s) total += sums.error[s];
      if (total < best_error[first / n_sub]) {
        best_error[first / n_sub] = total;
        for (int s = first; s < first + n_sub; ++s) {
          best.d[s] = fit.d[s], best.dmin[s] = fit.dmin[s];
          best.scale[s] = fit.scale[s], best.minimum[s] = fit.minimum[s];
        }
      }
      refit_super(sums, first, n_sub, fit);
    }
  }
}
