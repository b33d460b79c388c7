// What each type searches: its values, its starts, and where the scales go. Included inside a tier's region, after the
// searches.

// Weights of up to 16 (sub-)blocks side by side, one a lane: x[k][lane], and w[k][lane] where weighted. Lanes beyond
// `present` are zeros. `first` counts blocks from the start of `from`; `importance` repeats every `columns` weights.
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

// search_scales<weighted>(batch, found) sets the scales of blocks whose sub-blocks are the lanes of a batch; one
// overload a type.

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

// One f16 scale a block.
template <class Block>
static inline void put_scale(const float (&d)[kBatch], Block (&found)[kBatch]) {
  for (int lane = 0; lane < kBatch; ++lane) found[lane].d = to_half(d[lane]);
}
template <bool weighted, class Block>
static inline void search_small(const Batch& batch, const ScaleStarts& starts, int rounds, Block (&found)[kBatch]) {
  alignas(64) float d[kBatch];
  for (int lane = 0; lane < kBatch; lane += kLanes)
    store(d + lane, to_half_grid(search_scale<weighted>(batch, lane, values_of<Block>(), starts, rounds)));
  put_scale(d, found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ4_0 (&found)[kBatch]) {
  search_small<weighted>(batch, starts_from(kLevelsQ4), 1, found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ5_0 (&found)[kBatch]) {
  search_small<weighted>(batch, starts_from(kLevelsQ5), 2, found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockIQ4_NL (&found)[kBatch]) {
  search_small<weighted>(batch, starts_from(kLevelsIq4), 2, found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ8_0 (&found)[kBatch]) {
  alignas(64) float d[kBatch];
  for (int lane = 0; lane < kBatch; lane += kLanes)
    store(d + lane, search_fine_scale<weighted>(batch, lane, values_of<BlockQ8_0>(), starts_from(kLevelsQ8), 2, 127));
  put_scale(d, found);
}

// Scale and minimum.
template <bool weighted, class Block>
static inline void search_small_affine(const Batch& batch, const AffineGrid& grid, Block (&found)[kBatch]) {
  constexpr int kRounds = 2;
  alignas(64) float d[kBatch], m[kBatch];
  for (int lane = 0; lane < kBatch; lane += kLanes) {
    const AffineFit fit = search_half_affine<weighted>(batch, lane, grid, kRounds);
    store(d + lane, fit.d);
    store(m + lane, fit.m);
  }
  put_scale(d, found);
  for (int lane = 0; lane < kBatch; ++lane) found[lane].m = to_half(m[lane]);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ4_1 (&found)[kBatch]) {
  search_small_affine<weighted>(batch, affine_grid(15, kStarts4, false), found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ5_1 (&found)[kBatch]) {
  search_small_affine<weighted>(batch, affine_grid(31, kStarts5, false), found);
}

// The power of two with the least error, among that of plain rounding and its two neighbours.
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockMXFP4 (&found)[kBatch]) {
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
      store(error[step] + lane, scale_error<weighted>(batch, lane, values_of<BlockMXFP4>(), load(d + lane)));
  }
  for (int lane = 0; lane < kBatch; ++lane) {
    int best = 1;
    for (const int step : {0, 2})
      if (error[step][lane] < error[best][lane]) best = step;
    found[lane].e = static_cast<std::uint8_t>(centre[lane] + best - 1);
  }
}

// Super-blocks with minima. Structs of results are zeroed first: g++ 12 does not see that the vector stores fill them.
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ2_K (&found)[kBatch / 16]) {
  SuperAffine fit{};
  search_super_affine<weighted, 16>(batch, affine_grid(3, kStarts2, true), 15, 2, fit);
  found[0].d = to_half(fit.d[0]);
  found[0].dmin = to_half(fit.dmin[0]);
  for (int s = 0; s < 16; ++s)
    found[0].scales[s] =
        static_cast<std::uint8_t>(static_cast<int>(fit.scale[s]) | static_cast<int>(fit.minimum[s]) << 4);
}
template <bool weighted, class Block>
static inline void search_k4(const Batch& batch, const AffineGrid& grid, Block (&found)[kBatch / 8]) {
  SuperAffine fit{};
  search_super_affine<weighted, 8>(batch, grid, 63, 1, fit);
  for (int b = 0; b < kBatch / 8; ++b) {
    found[b].d = to_half(fit.d[8 * b]);
    found[b].dmin = to_half(fit.dmin[8 * b]);
    ScalesK4 scales;
    for (int s = 0; s < 8; ++s) {
      scales.scale[s] = static_cast<std::uint8_t>(fit.scale[8 * b + s]);
      scales.minimum[s] = static_cast<std::uint8_t>(fit.minimum[8 * b + s]);
    }
    pack_scales_k4(scales, found[b].scales);
  }
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ4_K (&found)[kBatch / 8]) {
  search_k4<weighted>(batch, affine_grid(15, kStarts4, true), found);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ5_K (&found)[kBatch / 8]) {
  search_k4<weighted>(batch, affine_grid(31, kStarts5, true), found);
}

// Super-blocks of n_sub symmetric sub-blocks: d of each, and the integer scales of all.
template <bool weighted, int n_sub, class Block>
static inline void search_super(const Batch& batch, const ScaleStarts& starts, float limit,
                                Block (&found)[kBatch / n_sub], std::int8_t (&scales)[kBatch / n_sub][n_sub]) {
  SuperScale fit{};
  search_super_scale<weighted, n_sub>(batch, values_of<Block>(), starts, limit, fit);
  for (int b = 0; b < kBatch / n_sub; ++b) {
    found[b].d = to_half(fit.d[n_sub * b]);
    for (int s = 0; s < n_sub; ++s) scales[b][s] = static_cast<std::int8_t>(fit.integer[n_sub * b + s]);
  }
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ3_K (&found)[kBatch / 16]) {
  std::int8_t scales[1][16];
  search_super<weighted, 16>(batch, starts_from(kLevelsQ3), 32, found, scales);
  pack_scales_q3_k(scales[0], found[0].scales);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockQ6_K (&found)[kBatch / 16]) {
  std::int8_t scales[1][16];
  search_super<weighted, 16>(batch, starts_from(kLevelsQ6), 128, found, scales);
  std::memcpy(found[0].scales, scales[0], sizeof found[0].scales);
}
template <bool weighted>
static inline void search_scales(const Batch& batch, BlockIQ4_XS (&found)[kBatch / 8]) {
  std::int8_t scales[kBatch / 8][8];
  search_super<weighted, 8>(batch, starts_from(kLevelsIq4), 32, found, scales);
  for (int b = 0; b < kBatch / 8; ++b) set_scales(found[b], scales[b]);
}

template <bool weighted, class Block>
static void search_weighted_blocks(const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                                   std::int64_t columns) {
  constexpr int kElements = static_cast<int>(dtype_info(Block::kType).block_elements);
  constexpr int kCount = Block::kGrid.sub_block, kSubBlocks = kElements / kCount, kTogether = kBatch / kSubBlocks;
  Gathered<weighted, kCount> gathered;
  for (std::int64_t first = 0; first < blocks; first += kTogether) {
    const int present = static_cast<int>(blocks - first < kTogether ? blocks - first : kTogether);
    const Batch batch = gathered.gather(x, first * kSubBlocks, present * kSubBlocks, importance, columns);
    Block found[kTogether];
    search_scales<weighted>(batch, found);
    for (int b = 0; b < present; ++b)
      emit(found[b], x + (first + b) * kElements, out + static_cast<std::size_t>(first + b) * sizeof(Block));
  }
}

// Searched quantization of `blocks` blocks, row after row. `importance` is [columns] or null.
template <class Block>
static void search_blocks(const float* x, std::byte* out, std::int64_t blocks, const float* importance,
                          std::int64_t columns) {
  if (importance != nullptr)
    search_weighted_blocks<true, Block>(x, out, blocks, importance, columns);
  else
    search_weighted_blocks<false, Block>(x, out, blocks, nullptr, columns);
}
