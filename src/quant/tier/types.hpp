#pragma once
// What each type searches: its grid, its starts, and where the scales go.

/// Weights of up to 16 (sub-)blocks side by side, one a lane: x[k][lane], and w[k][lane] where weighted. Lanes beyond
/// `present` are zeros. `first` counts blocks from the start of `from`; `importance` repeats every `columns` weights.
template <bool weighted>
static inline void gather_blocks(const float* from, std::int64_t first, int present, int count, const float* importance,
                                 std::int64_t columns, float* x, float* w) {
  for (int lane = 0; lane < kBatch; ++lane) {
    if (lane >= present) {
      for (int k = 0; k < count; ++k) x[k * kBatch + lane] = 0;
      if constexpr (weighted)
        for (int k = 0; k < count; ++k) w[k * kBatch + lane] = 1;
      continue;
    }
    const float* block = from + (first + lane) * count;
    for (int k = 0; k < count; ++k) x[k * kBatch + lane] = block[k];
    if constexpr (weighted) {
      const float* block_importance = importance + (first + lane) * count % columns;
      for (int k = 0; k < count; ++k) w[k * kBatch + lane] = block_importance[k];
    }
  }
}

template <bool weighted, int count>
struct Gathered {
  alignas(64) float x[count * kBatch];
  alignas(64) float w[weighted ? count * kBatch : 1];

  Batch gather(const float* from, std::int64_t first, int present, const float* importance, std::int64_t columns) {
    gather_blocks<weighted>(from, first, present, count, importance, columns, x, w);
    return {x, w, count};
  }
};

// Levels were chosen on normal and t-distributed weights. Q4_0: eight levels give NMSE 6.550e-3 on N(0,1), 14 with one
// more round 6.540e-3, a sweep in steps of 0.05 6.513e-3; plain rounding has 7.35e-3. At 6 and 8 bits the error keeps
// falling with more levels (Q8_0: 2.57e-5 with 3, 2.47e-5 with 9, 2.32e-5 with 120), slowly.
static constexpr float kLevelsQ3[] = {-3.0f, -3.5f, -4.0f, -4.5f, -5.0f, -5.5f, 3.0f, 3.5f, 4.0f, 4.5f, 5.0f, 5.5f};
static constexpr float kLevelsQ4[] = {-7.5f, -8.0f, -8.5f, -9.25f, -10.0f, 7.0f, 7.7f, 8.6f};
static constexpr float kLevelsQ5[] = {-14.5f, -15.0f, -15.5f, -16.0f, -16.5f, -17.0f, -17.5f, -18.0f, -18.5f,
                                      14.5f,  15.0f,  15.5f,  16.0f,  16.5f,  17.0f,  17.5f,  18.0f,  18.5f};
static constexpr float kLevelsQ6[] = {-30.0f, -30.5f, -31.0f, -31.5f, -32.0f, -32.5f, -33.0f, -33.5f, -34.0f,
                                      30.0f,  30.5f,  31.0f,  31.5f,  32.0f,  32.5f,  33.0f,  33.5f,  34.0f};
static constexpr float kLevelsQ8[] = {126.0f, 126.25f, 126.5f, 126.75f, 127.0f, 127.25f, 127.5f, 127.75f, 128.0f};
static constexpr float kLevelsIq4[] = {-107.0f, -113.0f, -120.0f, -127.0f, -134.0f, -141.0f, -150.0f,
                                       107.0f,  113.0f,  120.0f,  127.0f,  134.0f,  141.0f,  150.0f};

static constexpr AffineStart kStarts2[] = {{-0.5f, -0.5f}, {-0.5f, 0.0f}, {-0.5f, 0.5f}, {0.0f, 0.0f},
                                           {0.5f, -0.5f},  {0.5f, 0.0f},  {0.5f, 0.5f}};
static constexpr AffineStart kStarts4[] = {{-0.5f, -0.5f}, {-0.5f, 0.0f}, {-0.5f, 0.5f}, {0.5f, -0.5f}, {0.5f, 0.0f},
                                           {0.5f, 0.5f},   {1.5f, -0.5f}, {1.5f, 0.0f},  {1.5f, 0.5f},  {2.5f, -0.5f},
                                           {2.5f, 0.0f},   {2.5f, 0.5f},  {3.5f, -0.5f}, {3.5f, 0.0f},  {3.5f, 0.5f}};
static constexpr AffineStart kStarts5[] = {{-0.5f, -0.5f}, {-0.5f, 0.0f}, {-0.5f, 0.5f}, {0.5f, -0.5f}, {0.5f, 0.0f},
                                           {0.5f, 0.5f},   {1.5f, -0.5f}, {1.5f, 0.0f},  {1.5f, 0.5f},  {2.5f, -0.5f},
                                           {2.5f, 0.0f},   {2.5f, 0.5f},  {3.5f, -0.5f}, {3.5f, 0.0f},  {3.5f, 0.5f},
                                           {4.5f, -0.5f},  {4.5f, 0.0f},  {4.5f, 0.5f}};

template <std::size_t n>
static constexpr ScaleStarts starts_from(const float (&levels)[n]) {
  return {levels, static_cast<int>(n)};
}
template <std::size_t n>
static constexpr AffineGrid affine_grid(float high, const AffineStart (&starts)[n], bool minimum_below_zero) {
  return {high, starts, static_cast<int>(n), minimum_below_zero};
}

/// Q4_0, Q5_0, Q8_0, IQ4_NL: one f16 scale a block.
template <bool weighted, DType type>
static inline void small_scales(const Batch& batch, float* d) {
  for (int lane = 0; lane < kBatch; lane += kLanes) {
    Floats best;
    if constexpr (type == DType::q4_0)
      best = to_half_grid(search_scale<weighted>(batch, lane, IntegerValues{-8, 7}, starts_from(kLevelsQ4), 1));
    else if constexpr (type == DType::q5_0)
      best = to_half_grid(search_scale<weighted>(batch, lane, IntegerValues{-16, 15}, starts_from(kLevelsQ5), 2));
    else if constexpr (type == DType::q8_0)
      best = search_fine_scale<weighted>(batch, lane, IntegerValues{-127, 127}, starts_from(kLevelsQ8), 2, 127);
    else
      best = to_half_grid(search_scale<weighted>(batch, lane, Iq4nlValues{}, starts_from(kLevelsIq4), 2));
    store(d + lane, best);
  }
}

/// Q4_1, Q5_1: scale and minimum.
template <bool weighted, DType type>
static inline void small_affine(const Batch& batch, float* d, float* m) {
  constexpr int kRounds = 2;
  for (int lane = 0; lane < kBatch; lane += kLanes) {
    AffineFit fit;
    if constexpr (type == DType::q4_1)
      fit = search_half_affine<weighted>(batch, lane, affine_grid(15, kStarts4, false), kRounds);
    else
      fit = search_half_affine<weighted>(batch, lane, affine_grid(31, kStarts5, false), kRounds);
    store(d + lane, fit.d);
    store(m + lane, fit.m);
  }
}

/// MXFP4: the power of two with the least error, among that of plain rounding and its two neighbours.
template <bool weighted>
static inline void mxfp4_exponents(const Batch& batch, std::uint8_t (&exponent)[kBatch]) {
  alignas(64) float plain[kBatch], error[3][kBatch], d[kBatch];
  for (int lane = 0; lane < kBatch; lane += kLanes) store(plain + lane, absolute(extreme(batch, lane)));
  int centre[kBatch];
  for (int lane = 0; lane < kBatch; ++lane) {
    const int e = plain[lane] > 0 ? std::ilogb(plain[lane]) - 2 + 127 : 0;
    centre[lane] = e < 1 ? 1 : e > 253 ? 253 : e;
  }
  for (int step = 0; step < 3; ++step) {
    for (int lane = 0; lane < kBatch; ++lane) d[lane] = e8m0_half(static_cast<std::uint8_t>(centre[lane] + step - 1));
    for (int lane = 0; lane < kBatch; lane += kLanes)
      store(error[step] + lane, scale_error<weighted>(batch, lane, Mxfp4Values{}, load(d + lane)));
  }
  for (int lane = 0; lane < kBatch; ++lane) {
    int best = 1;
    for (const int step : {0, 2})
      if (error[step][lane] < error[best][lane]) best = step;
    exponent[lane] = static_cast<std::uint8_t>(centre[lane] + best - 1);
  }
}

template <bool weighted, DType type>
static void quantize_small(const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                           std::int64_t columns) {
  Gathered<weighted, 32> gathered;
  for (std::int64_t first = 0; first < blocks; first += kBatch) {
    const int present = static_cast<int>(blocks - first < kBatch ? blocks - first : kBatch);
    const Batch batch = gathered.gather(x, first, present, importance, columns);
    alignas(64) float d[kBatch], m[kBatch];
    std::uint8_t exponent[kBatch];
    if constexpr (type == DType::mxfp4)
      mxfp4_exponents<weighted>(batch, exponent);
    else if constexpr (type == DType::q4_1 || type == DType::q5_1)
      small_affine<weighted, type>(batch, d, m);
    else
      small_scales<weighted, type>(batch, d);
    for (int lane = 0; lane < present; ++lane) {
      BlockOf<type> block;
      if constexpr (type == DType::mxfp4)
        block.e = exponent[lane];
      else
        block.d = to_half(d[lane]);
      if constexpr (type == DType::q4_1 || type == DType::q5_1) block.m = to_half(m[lane]);
      emit<type>(block, x + (first + lane) * 32, out + static_cast<std::size_t>(first + lane) * sizeof block);
    }
  }
}

/// Searched scales of the super-block in lanes first ... into its block.
template <DType type>
static inline void put_scales(BlockOf<type>& block, const SuperAffine& fit, int first) {
  block.d = to_half(fit.d[first]);
  block.dmin = to_half(fit.dmin[first]);
  if constexpr (type == DType::q2_k) {
    for (int s = 0; s < 16; ++s)
      block.scales[s] =
          static_cast<std::uint8_t>(static_cast<int>(fit.scale[s]) | static_cast<int>(fit.minimum[s]) << 4);
  } else {
    ScalesK4 scales;
    for (int s = 0; s < 8; ++s) {
      scales.scale[s] = static_cast<std::uint8_t>(fit.scale[first + s]);
      scales.minimum[s] = static_cast<std::uint8_t>(fit.minimum[first + s]);
    }
    pack_scales_k4(scales, block.scales);
  }
}
template <DType type>
static inline void put_scales(BlockOf<type>& block, const SuperScale& fit, int first) {
  block.d = to_half(fit.d[first]);
  constexpr int n_sub = kSuperBlock / code_grid(type).sub_block;
  std::int8_t scales[n_sub];
  for (int s = 0; s < n_sub; ++s) scales[s] = static_cast<std::int8_t>(fit.integer[first + s]);
  if constexpr (type == DType::q3_k)
    pack_scales_q3_k(scales, block.scales);
  else if constexpr (type == DType::q6_k)
    std::memcpy(block.scales, scales, sizeof block.scales);
  else
    set_scales(block, scales);
}

template <bool weighted, DType type>
static void quantize_super(const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                           std::int64_t columns) {
  constexpr int count = code_grid(type).sub_block, n_sub = kSuperBlock / count, together = kBatch / n_sub;
  Gathered<weighted, count> gathered;
  for (std::int64_t first = 0; first < blocks; first += together) {
    const int present = static_cast<int>(blocks - first < together ? blocks - first : together);
    const Batch batch = gathered.gather(x, first * n_sub, present * n_sub, importance, columns);
    constexpr bool affine = type == DType::q2_k || type == DType::q4_k || type == DType::q5_k;
    using Fit = std::conditional_t<affine, SuperAffine, SuperScale>;
    Fit fit{};  // g++ 12 does not see that the vector stores fill it
    if constexpr (type == DType::q2_k)
      search_super_affine<weighted, n_sub>(batch, affine_grid(3, kStarts2, true), 15, 2, fit);
    else if constexpr (type == DType::q4_k)
      search_super_affine<weighted, n_sub>(batch, affine_grid(15, kStarts4, true), 63, 1, fit);
    else if constexpr (type == DType::q5_k)
      search_super_affine<weighted, n_sub>(batch, affine_grid(31, kStarts5, true), 63, 1, fit);
    else if constexpr (type == DType::q3_k)
      search_super_scale<weighted, n_sub>(batch, IntegerValues{-4, 3}, starts_from(kLevelsQ3), 32, fit);
    else if constexpr (type == DType::q6_k)
      search_super_scale<weighted, n_sub>(batch, IntegerValues{-32, 31}, starts_from(kLevelsQ6), 128, fit);
    else
      search_super_scale<weighted, n_sub>(batch, Iq4nlValues{}, starts_from(kLevelsIq4), 32, fit);
    for (int b = 0; b < present; ++b) {
      BlockOf<type> block;
      put_scales<type>(block, fit, b * n_sub);
      emit<type>(block, x + (first + b) * kSuperBlock, out + static_cast<std::size_t>(first + b) * sizeof block);
    }
  }
}

template <bool weighted>
static void quantize_weighted(DType type, const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                              std::int64_t columns) {
  switch (type) {
    case DType::q4_0: return quantize_small<weighted, DType::q4_0>(x, out, blocks, importance, columns);
    case DType::q4_1: return quantize_small<weighted, DType::q4_1>(x, out, blocks, importance, columns);
    case DType::q5_0: return quantize_small<weighted, DType::q5_0>(x, out, blocks, importance, columns);
    case DType::q5_1: return quantize_small<weighted, DType::q5_1>(x, out, blocks, importance, columns);
    case DType::q8_0: return quantize_small<weighted, DType::q8_0>(x, out, blocks, importance, columns);
    case DType::iq4_nl: return quantize_small<weighted, DType::iq4_nl>(x, out, blocks, importance, columns);
    case DType::mxfp4: return quantize_small<weighted, DType::mxfp4>(x, out, blocks, importance, columns);
    case DType::q2_k: return quantize_super<weighted, DType::q2_k>(x, out, blocks, importance, columns);
    case DType::q3_k: return quantize_super<weighted, DType::q3_k>(x, out, blocks, importance, columns);
    case DType::q4_k: return quantize_super<weighted, DType::q4_k>(x, out, blocks, importance, columns);
    case DType::q5_k: return quantize_super<weighted, DType::q5_k>(x, out, blocks, importance, columns);
    case DType::q6_k: return quantize_super<weighted, DType::q6_k>(x, out, blocks, importance, columns);
    case DType::iq4_xs: return quantize_super<weighted, DType::iq4_xs>(x, out, blocks, importance, columns);
    default: return;  // element types have no scales to search
  }
}

/// Searched quantization of `blocks` blocks, row after row. `importance` is [columns] or null.
static void quantize(DType type, const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                     std::int64_t columns) {
  if (importance != nullptr)
    quantize_weighted<true>(type, x, out, blocks, importance, columns);
  else
    quantize_weighted<false>(type, x, out, blocks, importance, columns);
}
