#pragma once
// Scale search of the in-memory integer types: 16 groups at a time, of any length. A group may be a whole row, and its
// sums in f32 too coarse to tell two good grids apart by what they explain; so every grid is judged by its error.

/// Grids with q in low ... high, w = d * q + m; m is 0 in symmetric ones.
template <int bits, bool zero_point>
struct GroupGrid {
  static constexpr float kLow = zero_point ? 0 : bits == 8 ? -127 : -8;
  static constexpr float kHigh = bits == 8 ? (zero_point ? 255 : 127) : (zero_point ? 15 : 7);
  static constexpr IntegerValues kValues{kLow, kHigh};
};

// The extreme weight lands on these codes. Large ones clip: in a row of thousands the best scale for 4 bits leaves out
// everything beyond three quarters of the largest.
static constexpr float kGroupLevels4[] = {-7.5f, -8.5f, -9.25f, -10.0f, -11.5f, -13.5f, -17.0f,
                                          7.0f,  7.7f,  8.6f,   10.0f,  12.0f,  15.0f};
static constexpr float kGroupLevels8[] = {126.4f, 127.4f, 128.0f, 129.0f, 131.0f, 134.0f, 140.0f, 150.0f, 170.0f};
// Clipping at both ends alike, and at one of them.
static constexpr AffineStart kGroupStarts4[] = {{-0.5f, 0.0f}, {0.5f, 0.0f},  {1.5f, -0.5f},  {1.5f, 0.5f},
                                                {2.5f, 0.0f},  {2.5f, -0.8f}, {2.5f, 0.8f},   {4.0f, 0.0f},
                                                {4.0f, -1.5f}, {4.0f, 1.5f},  {7.0f, 0.0f},   {7.0f, -2.5f},
                                                {7.0f, 2.5f},  {12.0f, 0.0f}, {12.0f, -4.0f}, {12.0f, 4.0f}};
static constexpr AffineStart kGroupStarts8[] = {
    {-0.5f, 0.0f}, {0.5f, 0.0f},   {1.0f, -0.25f}, {1.0f, 0.25f}, {3.0f, 0.0f},    {3.0f, -1.0f}, {3.0f, 1.0f},
    {10.0f, 0.0f}, {10.0f, -4.0f}, {10.0f, 4.0f},  {30.0f, 0.0f}, {30.0f, -12.0f}, {30.0f, 12.0f}};

/// The best grid seen so far in each lane, as it will be stored.
template <bool weighted, int bits, bool zero_point>
struct GroupSearch {
  using Grid = GroupGrid<bits, zero_point>;
  const Batch& batch;
  const int lane;
  AffineFit best{};
  Floats best_error = splat(3.4e38f);

  void consider(Floats d, Floats m) {
    d = to_half_grid(d);
    m = to_half_grid(m);
    Floats error;
    if constexpr (zero_point)
      error = affine_error<weighted>(batch, lane, d, m, Grid::kHigh);
    else
      error = scale_error<weighted>(batch, lane, Grid::kValues, d);
    const Ints better = error < best_error;
    best.d = select(better, d, best.d);
    best.m = select(better, m, best.m);
    best_error = select(better, error, best_error);
  }
};

template <bool weighted, int bits, bool zero_point>
static inline AffineFit search_group(const Batch& batch, int lane) {
  constexpr int kRounds = 2;
  using Grid = GroupGrid<bits, zero_point>;
  GroupSearch<weighted, bits, zero_point> search{batch, lane};
  if constexpr (zero_point) {
    const AffineBlock b = describe<weighted>(batch, lane, false);
    const auto refitted = [&](Floats d, Floats m) {
      Floats gain;
      const AffineFit fit = refit(b, affine_sums<weighted>(batch, lane, d, m, Grid::kHigh), false, gain);
      search.consider(fit.d, fit.m);
    };
    search.consider((b.high - b.low) / splat(Grid::kHigh), b.low);
    for (const AffineStart& start : bits == 4 ? kGroupStarts4 : kGroupStarts8) {
    }
  }
  return search.best;
}
