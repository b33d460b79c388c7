// From searched scales to bytes: nearest codes in the weights' own order, then the block's bit layout. Included inside
// a tier's region, after search_values.hpp.

// codes[k] = code of the value nearest to (x[k] - offset) / scale. `count` is a multiple of 16.
template <class Values>
static inline void nearest_codes(const float* x, int count, const Values& values, float scale, float offset,
                                 std::uint8_t* codes) {
  const Floats inverse = splat(scale == 0 ? 0.0f : 1.0f / scale);
  std::int32_t wide[kBatch];
  for (int k = 0; k < count; k += kBatch) {
    for (int j = 0; j < kBatch; j += kLanes) {
      const Ints code = values.code((load(x + k + j) - offset) * inverse);
      std::memcpy(wide + j, &code, sizeof code);
    }
    for (int j = 0; j < kBatch; ++j) codes[k + j] = static_cast<std::uint8_t>(wide[j]);
  }
}

// Codes of one block whose scales are set, and the block to its place.
template <class Block>
static inline void emit(Block& block, const float* x, std::byte* out) {
  constexpr int kElements = static_cast<int>(dtype_info(Block::kType).block_elements);
  constexpr int kSubBlock = Block::kGrid.sub_block;
  float scale[kElements / kSubBlock], offset[kElements / kSubBlock];
  block_scales(block, scale, offset);
  std::uint8_t codes[kElements];
  for (int s = 0; s < kElements / kSubBlock; ++s)
    nearest_codes(x + s * kSubBlock, kSubBlock, values_of<Block>(), scale[s], offset[s], codes + s * kSubBlock);
  set_codes(block, codes);
  std::memcpy(out, &block, sizeof block);
}
