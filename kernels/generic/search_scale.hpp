// Scale search for grids w = d * v, where v is one of a fixed set of values (search_values.hpp): 16 blocks at a time.

// Where to start: the weight of largest magnitude lands on each of these values, negative ones mirror the block.
struct ScaleStarts {
  const float* levels;
  int count;
};

// Sums over a lane for values v nearest to x / d.
struct ScaleSums {
  Floats xv, vv;  // of w x v and w v v: the best scale for these values is xv / vv, and it takes away xv^2 / vv
};

template <bool weighted, class Values>
static inline ScaleSums scale_sums(const Batch& batch, int lane, const Values& values, Floats d) {
  const Floats inverse = inverse_or_zero(d);
  ScaleSums sums{};
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    const Floats v = values.nearest(x * inverse);
    const Floats wv = weighted ? cost<weighted>(batch, k, lane) * v : v;
    sums.xv += x * wv;
    sums.vv += v * wv;
  }
  return sums;
}

// Sum of w (x - d v)^2 for the scale as it will be stored.
template <bool weighted, class Values>
static inline Floats scale_error(const Batch& batch, int lane, const Values& values, Floats d) {
  const Floats inverse = inverse_or_zero(d);
  Floats error{};
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    const Floats off = x - d * values.nearest(x * inverse);
    error += weighted ? cost<weighted>(batch, k, lane) * off * off : off * off;
  }
  return error;
}

// The weight of largest magnitude in each lane, with its sign.
static inline Floats extreme(const Batch& batch, int lane) {
  Floats best{};
  for (int k = 0; k < batch.count; ++k) {
    const Floats x = load(batch.x + k * kBatch + lane);
    best = select(absolute(x) > absolute(best), x, best);
  }
  return best;
}

// For each lane the scale that explains most. Every start is refitted in closed form to the values it gives; the best
// of these is refined by `rounds` more rounds of nearest values and refit, neither of which can make it worse.
template <bool weighted, class Values>
static inline Floats search_scale(const Batch& batch, int lane, const Values& values, const ScaleStarts& starts,
                                  int rounds) {
  const Floats top = extreme(batch, lane);
  Floats best_gain{}, best{};
  for (int i = 0; i < starts.count; ++i) {
    const ScaleSums sums = scale_sums<weighted>(batch, lane, values, top / splat(starts.levels[i]));
    const Floats fit = divide_or_zero(sums.xv, sums.vv);
    const Ints better = fit * sums.xv > best_gain;
    best = select(better, fit, best);
    best_gain = select(better, fit * sums.xv, best_gain);
  }
  for (int round = 0; round < rounds; ++round) {
    const ScaleSums sums = scale_sums<weighted>(batch, lane, values, best);
    best = divide_or_zero(sums.xv, sums.vv);
  }
  return best;
}

// The searched scale as f16, or the f16 scale of plain rounding (extreme / level) where that one is better: with many
// codes the rounding of the scale to f16 can cost more than the search gained.
template <bool weighted, class Values>
static inline Floats search_fine_scale(const Batch& batch, int lane, const Values& values, const ScaleStarts& starts,
                                       int rounds, float plain_level) {
  const Floats found = to_half_grid(search_scale<weighted>(batch, lane, values, starts, rounds));
  const Floats plain = to_half_grid(extreme(batch, lane) / splat(plain_level));
  const Ints keep =
      scale_error<weighted>(batch, lane, values, found) <= scale_error<weighted>(batch, lane, values, plain);
  return select(keep, found, plain);
}

// Super-blocks of sub-blocks with integer scales: lanes are sub-blocks, `n_sub` of them share one f16 scale d, and the
// scale of a lane is d * integer, integer in [-limit, limit - 1].
struct SuperScale {
  float d[kBatch];  // one a lane, equal within a super-block
  float integer[kBatch];
};

// Given each lane's wish and its super-block's d, the integer scale of least error among the three nearest.
template <bool weighted, class Values>
static inline Floats nearby_integer(const Batch& batch, int lane, const Values& values, Floats wish, Floats d,
                                    float limit, Floats& error) {
  const Floats centre = nearest_between(wish * inverse_or_zero(d), splat(-limit), splat(limit - 1));
  Floats best = centre;
  error = scale_error<weighted>(batch, lane, values, d * centre);
  for (const float step : {-1.0f, 1.0f}) {
    const Floats integer = smaller(larger(centre + step, splat(-limit)), splat(limit - 1));
    const Floats trial = scale_error<weighted>(batch, lane, values, d * integer);
    best = select(trial < error, integer, best);
    error = smaller(trial, error);
  }
  return best;
}

// Fits d and the integer scales of 16 / n_sub super-blocks. `top` is the code of the largest magnitude that plain
// rounding uses for the extreme weight.
template <bool weighted, int n_sub, class Values>
static void search_super_scale(const Batch& batch, const Values& values, const ScaleStarts& starts, float limit,
                               SuperScale& best) {
  constexpr int kSearchRounds = 2, kSuperRounds = 3;
  alignas(64) float wish[kBatch], d[kBatch], integer[kBatch], error[kBatch], xv[kBatch], vv[kBatch];
  for (int lane = 0; lane < kBatch; lane += kLanes)
    store(wish + lane, search_scale<weighted>(batch, lane, values, starts, kSearchRounds));
  float best_error[kBatch / n_sub];
  for (int first = 0; first < kBatch; first += n_sub) {
    const float whole = to_float(to_half_saturated(detail::extreme(wish + first, n_sub) / -limit));
    for (int s = first; s < first + n_sub; ++s) d[s] = whole;
    best_error[first / n_sub] = 3e38f;
  }
  for (int round = 0; round < kSuperRounds; ++round) {
    for (int lane = 0; lane < kBatch; lane += kLanes) {
      Floats lane_error;
      const Floats chosen =
          nearby_integer<weighted>(batch, lane, values, load(wish + lane), load(d + lane), limit, lane_error);
      const ScaleSums sums = scale_sums<weighted>(batch, lane, values, load(d + lane) * chosen);
      store(integer + lane, chosen);
      store(error + lane, lane_error);
      store(xv + lane, sums.xv);
      store(vv + lane, sums.vv);
    }
    for (int first = 0; first < kBatch; first += n_sub) {
      float total = 0, numerator = 0, denominator = 0;
      for (int s = first; s < first + n_sub; ++s) {
        total += error[s];
        numerator += integer[s] * xv[s];
        denominator += integer[s] * integer[s] * vv[s];
      }
      if (total < best_error[first / n_sub]) {
        best_error[first / n_sub] = total;
        std::memcpy(best.d + first, d + first, n_sub * sizeof(float));
        std::memcpy(best.integer + first, integer + first, n_sub * sizeof(float));
      }
      // The d that is best for these integers and values; the next round looks for integers for it.
      const float refit = to_float(to_half_saturated(denominator > 0 ? numerator / denominator : 0.0f));
      for (int s = first; s < first + n_sub; ++s) d[s] = refit;
    }
  }
}
