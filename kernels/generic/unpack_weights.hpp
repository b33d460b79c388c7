// What products with quantized weights need of a format, and packed weights unpacked for them. Included inside a tier's
// region, after formats_*.hpp.

// log2(128 / offset): how far the seed of offset 128 is shifted down for another one.
constexpr int seed_shift(int offset) {
  int shift = 0;
  while (offset > 0 && (offset << shift) < 128) ++shift;
  return shift;
}

// What the inner product needs to know of a format. Formats that agree in these share their tile kernels.
template <int Group, int Offset, bool Small>
struct DotTraits {
  static constexpr bool kHasMin = Offset == 0;
  static constexpr int kGroups = 32 / Group;
  static constexpr bool kSmall = Small;  // codes of at most 7 bits
  static constexpr int kSeedShift = seed_shift(Offset);
  static_assert(kHasMin || (Offset << kSeedShift) == 128, "the offset must divide 128");
  static_assert(32 * 255 * 128 < (1 << 22), "an int32 lane cannot overflow, nor lose bits as f32");
};
template <class Format>
using TraitsOf = DotTraits<Format::kGroup, Format::kOffset, (Format::kMaxCode <= 127)>;
// The form that unpacked weights have. Where one dot serves all codes, every offset becomes 128, whose seed is ready in
// the activations; elsewhere small codes stay small, since they have the faster dot.
template <class Format>
using TileTraitsOf = DotTraits<Format::kGroup, kOneDot && Format::kOffset != 0 ? 128 : Format::kOffset,
                               !kOneDot && (Format::kMaxCode <= 127)>;

// Where an accumulator starts: the seed of the activations, in units of this format's offset.
template <class Traits>
PLUMB_INLINE I32x16 first_dot(const std::byte* seed) {
  if constexpr (Traits::kHasMin) return zero_i32();
  if constexpr (Traits::kSeedShift == 0) return broadcast_i32(seed);
  return shift_right_signed<Traits::kSeedShift>(broadcast_i32(seed));
}

// Asks for this step's share of the bytes kPrefetchBytes ahead, into L2: L1 is too small to hold them that long. The
// last requests of a matrix run past its end, which a prefetch may.
template <class Format>
PLUMB_INLINE void prefetch_step(const std::byte* block, int step) {
  constexpr std::int64_t kShare = Format::kBlockBytes / Format::kBlockSteps;
  PLUMB_UNROLL(16)
  for (std::int64_t i = 0; i < kShare; i += 64) prefetch_l2(block + kShare * step + i + kPrefetchBytes);
}

// Unpacked form of a step, read by `tile_quantized`: | codes: 8 x 64 | scale: f32[16] per group | min: f32[16] per
// group |
template <class Traits>
static constexpr std::size_t kUnpackedBytes = 512 + 64 * static_cast<std::size_t>(Traits::kGroups) *
                                                        (Traits::kHasMin ? 2 : 1);

template <class Format>
static void unpack_quantized(const std::byte* panel, std::int64_t first_k, std::int64_t k, std::byte* out) {
  constexpr std::int64_t kBlockK = 32 * Format::kBlockSteps;
  for (std::int64_t at = first_k; at < first_k + k; at += 32, out += kUnpackedBytes<TraitsOf<Format>>) {
    UnpackedStep<Format::kGroup> w;
    const std::byte* const block = panel + header_bytes<Format>() + at / kBlockK * Format::kBlockBytes;
    prefetch_step<Format>(block, static_cast<int>(at % kBlockK / 32));
    unpack_step<Format>(panel, block, static_cast<int>(at % kBlockK / 32), w);
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      if constexpr (kOneDot && Format::kOffset != 0 && Format::kOffset != 128)
        w.codes[v] = add_u8(w.codes[v], 128 - Format::kOffset);
      store_u8(out + 64 * v, w.codes[v]);
    }
    PLUMB_UNROLL(2)
    for (int g = 0; g < TraitsOf<Format>::kGroups; ++g) {
      store_f32(reinterpret_cast<float*>(out + 512) + 16 * g, w.scale[g]);
      if constexpr (TraitsOf<Format>::kHasMin)
        store_f32(reinterpret_cast<float*>(out + 512) + 16 * (TraitsOf<Format>::kGroups + g), w.min[g]);
    }
  }
}
