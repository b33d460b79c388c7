// Scale search of the in-memory integer types: 16 groups of any length at a time. A group may be a whole row, with sums
// in f32 too coarse to tell good grids apart by what they explain, so every grid is judged by its error.

// Where to start, for w = d * q: the weight of largest magnitude lands on these codes. Large ones clip: the best scale
// of a row of thousands leaves out what lies beyond two thirds of the largest.
static constexpr float kGroupLevels4[] = {-7.5f, -8.25f, -9.0f, -9.75f, -10.75f, -12.0f, -14.0f, -17.0f,
                                          7.0f,  7.6f,   8.2f,  9.0f,   10.0f,   11.0f,  12.5f,  15.0f};
static constexpr float kGroupLevels8[] = {124.0f,  125.0f,  125.75f, 126.25f, 126.75f, 127.25f, 127.75f,
                                          128.25f, 128.75f, 129.5f,  130.5f,  131.5f,  133.0f,  135.0f,
                                          138.0f,  142.0f,  148.0f,  156.0f,  170.0f,  190.0f};
// And for w = d * q + m: clipping at both ends alike, or at one more than at the other.
static constexpr AffineStart kGroupStarts4[] = {{-0.5f, 0.0f}, {0.5f, 0.0f},  {1.5f, -0.5f},  {1.5f, 0.5f},
                                                {2.5f, 0.0f},  {2.5f, -0.8f}, {2.5f, 0.8f},   {4.0f, 0.0f},
                                                {4.0f, -1.5f}, {4.0f, 1.5f},  {7.0f, 0.0f},   {7.0f, -2.5f},
                                                {7.0f, 2.5f},  {12.0f, 0.0f}, {12.0f, -4.0f}, {12.0f, 4.0f}};
static constexpr AffineStart kGroupStarts8[] = {
    {-0.5f, 0.0f}, {0.5f, 0.0f},   {1.0f, -0.25f}, {1.0f, 0.25f}, {3.0f, 0.0f},    {3.0f, -1.0f}, {3.0f, 1.0f},
    {10.0f, 0.0f}, {10.0f, -4.0f}, {10.0f, 4.0f},  {30.0f, 0.0f}, {30.0f, -12.0f}, {30.0f, 12.0f}};

// Codes of a grid, as IntegerGrid has them.
template <int bits, bool zero_point>
struct GroupCodes {
  static constexpr float kLow = zero_point ? 0 : bits == 8 ? -127 : -8;
  static constexpr float kHigh = zero_point ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
  static constexpr float kPlainLevel = bits == 8 ? 127 : -8;  // of the extreme weight, when rounding to nearest
};

// The best grid of each lane among those considered.
template <bool weighted, int bits, bool zero_point>
struct GroupSearch {
  using Codes = GroupCodes<bits, zero_point>;
  static constexpr IntegerValues kValues{Codes::kLow, Codes::kHigh};

  GroupSearch(const Batch& batch_, int lane_) : batch(batch_), lane(lane_) {
    if constexpr (zero_point) block = describe<weighted>(batch, lane, false);
  }

  // As it will be stored: in f16.
  void consider(AffineFit fit) {
    fit = {to_half_grid(fit.d), to_half_grid(fit.m)};
    Floats error;
    if constexpr (zero_point)
      error = affine_error<weighted>(batch, lane, fit.d, fit.m, Codes::kHigh);
    else
      error = scale_error<weighted>(batch, lane, kValues, fit.d);
    const Ints better = error < best_error;
    best = {select(better, fit.d, best.d), select(better, fit.m, best.m)};
    best_error = smaller(error, best_error);
  }

  // The grid that is best for the codes which `start` gives.
  void consider_refit(const AffineFit& start) {
    if constexpr (zero_point) {
      Floats gain;
      const AffineSums sums = affine_sums<weighted>(batch, lane, start.d, start.m, Codes::kHigh);
      consider(refit(block, sums, false, gain));
    } else {
      const ScaleSums sums = scale_sums<weighted>(batch, lane, kValues, start.d);
      consider({divide_or_zero(sums.xv, sums.vv), Floats{}});
    }
  }

  const Batch& batch;
  const int lane;
  AffineBlock block{};
  AffineFit best{};
  Floats best_error = splat(3.4e38f);
};

template <bool weighted, int bits, bool zero_point>
static inline AffineFit search_group(const Batch& batch, int lane) {
  constexpr int kRounds = 2;
  using Codes = GroupCodes<bits, zero_point>;
  GroupSearch<weighted, bits, zero_point> search(batch, lane);
  if constexpr (zero_point) {
    constexpr AffineGrid grid =
        bits == 8 ? affine_grid(Codes::kHigh, kGroupStarts8, false) : affine_grid(Codes::kHigh, kGroupStarts4, false);
    const AffineBlock& b = search.block;
    const Floats middle = 0.5f * b.low + 0.5f * b.high, half_range = 0.5f * b.high - 0.5f * b.low;
    search.consider({half_range * splat(2.0f / grid.high), b.low});
    for (int i = 0; i < grid.n_starts; ++i) {
      const Floats d = half_range * splat(2.0f / (grid.high + grid.starts[i].widen));
      search.consider_refit({d, middle - d * splat(0.5f * grid.high + grid.starts[i].shift)});
    }
  } else {
    constexpr ScaleStarts starts = bits == 8 ? starts_from(kGroupLevels8) : starts_from(kGroupLevels4);
    const Floats top = extreme(batch, lane);
    search.consider({top / splat(Codes::kPlainLevel), Floats{}});
    for (int i = 0; i < starts.count; ++i) search.consider_refit({top / splat(starts.levels[i]), Floats{}});
  }
  for (int round = 0; round < kRounds; ++round) search.consider_refit(search.best);
  return search.best;
}

// A group with its grid, as it is stored.
template <int bits, bool zero_point>
static inline void emit_group(const float* x, int count, GroupScale scale, std::byte* out) {
  using Codes = GroupCodes<bits, zero_point>;
  using Storage = IntegerGroup<bits, zero_point>;
  constexpr IntegerValues kValues{Codes::kLow, Codes::kHigh, static_cast<float>(Storage::kOffset)};
  constexpr int kStep = static_cast<int>(Storage::kStep);
  Storage::set_scale(out, scale);
  for (int first = 0; first < count; first += kStep) {
    std::uint8_t codes[kStep];
    nearest_codes(x + first, kStep, kValues, to_float(scale.scale), to_float(scale.minimum), codes);
    Storage::set_stored_step(out, first / kStep, codes);
  }
}

template <bool weighted, int bits, bool zero_point>
static void search_weighted_groups(const float* x, std::byte* out, std::int64_t groups, int count,
                                   const float* importance, std::int64_t columns, float* scratch) {
  const std::size_t bytes = IntegerGroup<bits, zero_point>::bytes(count);
  for (std::int64_t first = 0; first < groups; first += kBatch) {
    const int present = static_cast<int>(groups - first < kBatch ? groups - first : kBatch);
    float* const w = scratch + static_cast<std::ptrdiff_t>(count) * kBatch;
    gather_blocks<weighted>(x, first, present, count, importance, columns, scratch, w);
    const Batch batch{scratch, w, count};
    alignas(64) float d[kBatch], m[kBatch];
    for (int lane = 0; lane < kBatch; lane += kLanes) {
      const AffineFit fit = search_group<weighted, bits, zero_point>(batch, lane);
      store(d + lane, fit.d);
      store(m + lane, fit.m);
    }
    for (int lane = 0; lane < present; ++lane)
      emit_group<bits, zero_point>(x + (first + lane) * count, count, {to_half(d[lane]), to_half(m[lane])},
                                   out + static_cast<std::size_t>(first + lane) * bytes);
  }
}

// Searched quantization of `groups` groups of `count` weights each, a multiple of 32. `importance` is [columns] or
// null, `scratch` is [2, count, 16].
template <int bits, bool zero_point>
static void search_groups(const float* x, std::byte* out, std::int64_t groups, int count, const float* importance,
                          std::int64_t columns, float* scratch) {
  if (importance != nullptr)
    search_weighted_groups<true, bits, zero_point>(x, out, groups, count, importance, columns, scratch);
  else
    search_weighted_groups<false, bits, zero_point>(x, out, groups, count, nullptr, columns, scratch);
}
