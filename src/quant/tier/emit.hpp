#pragma once
// From searched scales to bytes: nearest codes in the weights' own order, then the block's bit layout.

/// codes[k] = clamp(nearest((x[k] - offset) / scale)) + bias, as the searches count them. `count` is a multiple of 16.
static inline void integer_codes(const float* x, int count, float scale, float offset, float low, float high,
                                 float bias, std::uint8_t* codes) {
  const Floats inverse = splat(scale == 0 ? 0.0f : 1.0f / scale);
  std::int32_t wide[kBatch];
  for (int k = 0; k < count; k += kBatch) {
    for (int j = 0; j < kBatch; j += kLanes) {
      const Floats q = nearest_between((load(x + k + j) - offset) * inverse, splat(low), splat(high)) + bias;
      const Ints q_int = __builtin_convertvector(q, Ints);
      std::memcpy(wide + j, &q_int, sizeof q_int);
    }
    for (int j = 0; j < kBatch; ++j) codes[k + j] = static_cast<std::uint8_t>(wide[j]);
  }
}

/// codes[k] = number of midpoints below x[k] / scale.
static inline void iq4_nl_codes(const float* x, int count, float scale, std::uint8_t* codes) {
  const Floats inverse = splat(scale == 0 ? 0.0f : 1.0f / scale);
  std::int32_t wide[kBatch];
  for (int k = 0; k < count; k += kBatch) {
    for (int j = 0; j < kBatch; j += kLanes) {
      const Floats target = load(x + k + j) * inverse;
      Ints code{};
      for (int i = 1; i < 16; ++i) code -= target > Iq4nlValues::midpoint(i);  // true is -1
      std::memcpy(wide + j, &code, sizeof code);
    }
    for (int j = 0; j < kBatch; ++j) codes[k + j] = static_cast<std::uint8_t>(wide[j]);
  }
}

/// Number of midpoints below the magnitude, and 8 more for negative weights.
static inline void mxfp4_codes(const float* x, int count, float scale, std::uint8_t* codes) {
  const Floats inverse = splat(1.0f / scale);  // a power of two, never 0
  std::int32_t wide[kBatch];
  for (int k = 0; k < count; k += kBatch) {
    for (int j = 0; j < kBatch; j += kLanes) {
      const Floats target = load(x + k + j) * inverse;
      Ints code{};
      for (int i = 1; i < 8; ++i) code -= absolute(target) > Mxfp4Values::midpoint(i);
      code += (target < 0.0f) & 8;
      std::memcpy(wide + j, &code, sizeof code);
    }
    for (int j = 0; j < kBatch; ++j) codes[k + j] = static_cast<std::uint8_t>(wide[j]);
  }
}

/// Codes of one block whose scales are set, and the block to its place.
template <DType type>
static inline void emit(BlockOf<type>& block, const float* x, std::byte* out) {
  constexpr CodeGrid grid = code_grid(type);
  constexpr int elements = static_cast<int>(dtype_info(type).block_elements);
  float scale[elements / grid.sub_block], offset[elements / grid.sub_block];
  block_scales(block, scale, offset);
  std::uint8_t codes[elements];
  constexpr float low = static_cast<float>(type == DType::q8_0 ? -127 : -grid.bias);
  constexpr float high = static_cast<float>(grid.codes - 1 - grid.bias), bias = static_cast<float>(grid.bias);
  for (int s = 0; s < elements / grid.sub_block; ++s) {
    const int first = s * grid.sub_block;
    if constexpr (type == DType::iq4_nl || type == DType::iq4_xs)
      iq4_nl_codes(x + first, grid.sub_block, scale[s], codes + first);
    else if constexpr (type == DType::mxfp4)
      mxfp4_codes(x + first, grid.sub_block, scale[s], codes + first);
    else
      integer_codes(x + first, grid.sub_block, scale[s], offset[s], low, high, bias, codes + first);
  }
  set_codes(block, codes);
  std::memcpy(out, &block, sizeof block);
}
