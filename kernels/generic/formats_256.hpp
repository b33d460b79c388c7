// How packed super-blocks of 256 weights become unsigned codes and f32 scales. Same contract as formats_32.hpp.
// Products of an f16 and a 6- or 8-bit integer are exact in f32.

// Field `index` of 4 bits from packed lanes of eight.
PLUMB_INLINE I32x16 nibble_of(I32x16 lanes, int index) { return bit_and(shift_right(lanes, 4 * index), 15); }
// Two bits at `position`, moved up to weigh 16.
PLUMB_INLINE I32x16 upper_two(I32x16 lanes, int position) {
  return shift_left(bit_and(shift_right(lanes, position), 3), 4);
}

// Scales of Q4_K and Q5_K: | d: f16[16] | dmin: f16[16] | low nibbles of 8 scales: u32[16] | of 8 mins: u32[16] |
// | upper two bits of 8 scales (bits 0-15) and 8 mins (16-31): u32[16] |
PLUMB_INLINE void unpack_k_scales(const std::byte* block, int step, UnpackedStep<32>& out) {
  const I32x16 upper = load_i32(block + 192);
  const I32x16 scale = bit_or(nibble_of(load_i32(block + 64), step), upper_two(upper, 2 * step));
  const I32x16 min = bit_or(nibble_of(load_i32(block + 128), step), upper_two(upper, 16 + 2 * step));
  out.scale[0] = mul(load_f16(block), to_f32(scale));
  out.min[0] = mul(load_f16(block + 32), to_f32(min));
}

// | scales: 256 bytes | 4 pairs of steps x 8 x 64: low nibbles are the even step, high nibbles the odd one |
struct Q4_K {
  static constexpr int kBlockSteps = 8, kGroup = 32, kOffset = 0, kMaxCode = 15;
  static constexpr std::int64_t kBlockBytes = 256 + 2048;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<32>& out) {
    unpack_k_scales(block, step, out);
    const std::byte* pair = block + 256 + 512 * (step / 2);
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) out.codes[v] = bit_and(shift_right16(load_u8(pair + 64 * v), 4 * (step % 2)), 0x0F);
  }
};
Q4_K format_of(const BlockQ4_K*);

// | scales: 256 bytes | fifth bits: 8 x 64, bit s of a byte belongs to step s | nibbles as Q4_K |
struct Q5_K {
  static constexpr int kBlockSteps = 8, kGroup = 32, kOffset = 0, kMaxCode = 31;
  static constexpr std::int64_t kBlockBytes = 256 + 512 + 2048;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<32>& out) {
    unpack_k_scales(block, step, out);
    const std::byte* pair = block + 768 + 512 * (step / 2);
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      const U8x64 low = bit_and(shift_right16(load_u8(pair + 64 * v), 4 * (step % 2)), 0x0F);
      const U8x64 bit = bit_and(shift_right16(load_u8(block + 256 + 64 * v), step), 0x01);
      out.codes[v] = bit_or(low, shift_left16(bit, 4));
    }
  }
};
Q5_K format_of(const BlockQ5_K*);

// | d: f16[16] | 16 x scales: i8[16] | low nibbles: 2 halves x 2 x 8 x 64 | upper two bits: 2 halves x 8 x 64 |
struct Q6_K {
  static constexpr int kBlockSteps = 8, kGroup = 16, kOffset = 32, kMaxCode = 63;
  static constexpr std::int64_t kBlockBytes = 32 + 256 + 2048 + 1024;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<16>& out) {
    const F32x16 d = load_f16(block);
    out.scale[0] = mul(d, to_f32(load_i8_as_i32(block + 32 + 32 * step)));
    out.scale[1] = mul(d, to_f32(load_i8_as_i32(block + 48 + 32 * step)));
    const int half = step / 4, quarter = step % 4;
    const std::byte* low = block + 288 + 1024 * half + 512 * (quarter % 2);
    const std::byte* upper = block + 2336 + 512 * half;
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      const U8x64 nibble = bit_and(shift_right16(load_u8(low + 64 * v), 4 * (quarter / 2)), 0x0F);
      const U8x64 two = bit_and(shift_right16(load_u8(upper + 64 * v), 2 * quarter), 0x03);
      out.codes[v] = bit_or(nibble, shift_left16(two, 4));
    }
  }
};
Q6_K format_of(const BlockQ6_K*);

// | d: f16[16] | dmin: f16[16] | 16 x (scale nibble, min nibble): u8[16] | 2 halves x 8 x 64: bits 2q, 2q+1 are step q
// of the half |
struct Q2_K {
  static constexpr int kBlockSteps = 8, kGroup = 16, kOffset = 0, kMaxCode = 3;
  static constexpr std::int64_t kBlockBytes = 64 + 256 + 1024;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<16>& out) {
    const F32x16 d = load_f16(block), dmin = load_f16(block + 32);
    PLUMB_UNROLL(2)
    for (int i = 0; i < 2; ++i) {
      const I32x16 both = load_u8_as_i32(block + 64 + 32 * step + 16 * i);
      out.scale[i] = mul(d, to_f32(bit_and(both, 15)));
      out.min[i] = mul(dmin, to_f32(shift_right(both, 4)));
    }
    const std::byte* half = block + 320 + 512 * (step / 4);
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) out.codes[v] = bit_and(shift_right16(load_u8(half + 64 * v), 2 * (step % 4)), 0x03);
  }
};
Q2_K format_of(const BlockQ2_K*);

// | d: f16[16] | low nibbles of scales 0-7, of 8-15, upper two bits of all 16: 3 x u32[16] |
// | third bits: 8 x 64, bit s belongs to step s | low two bits as Q2_K |; scale = d * (field - 32)
struct Q3_K {
  static constexpr int kBlockSteps = 8, kGroup = 16, kOffset = 4, kMaxCode = 7;
  static constexpr std::int64_t kBlockBytes = 32 + 192 + 512 + 1024;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<16>& out) {
    const F32x16 d = load_f16(block);
    const I32x16 low = load_i32(block + 32 + 64 * (step / 4)), upper = load_i32(block + 160);
    PLUMB_UNROLL(2)
    for (int i = 0; i < 2; ++i) {
      const I32x16 field = bit_or(nibble_of(low, (2 * step + i) % 8), upper_two(upper, 2 * (2 * step + i)));
      out.scale[i] = mul(d, to_f32(add(field, splat_i32(-32))));
    }
    const std::byte* half = block + 736 + 512 * (step / 4);
    PLUMB_UNROLL(8)
    for (int v = 0; v < 8; ++v) {
      const U8x64 two = bit_and(shift_right16(load_u8(half + 64 * v), 2 * (step % 4)), 0x03);
      const U8x64 third = bit_and(shift_right16(load_u8(block + 224 + 64 * v), step), 0x01);
      out.codes[v] = bit_or(two, shift_left16(third, 2));
    }
  }
};
Q3_K format_of(const BlockQ3_K*);

// | d: f16[16] | upper two bits of 8 scales: u16[16] | low nibbles of 8 scales: u32[16] | 8 x (4 x 64 nibble pairs as
// IQ4_NL) |
struct IQ4_XS {
  static constexpr int kBlockSteps = 8, kGroup = 32, kOffset = 128, kMaxCode = 255;
  static constexpr std::int64_t kBlockBytes = 32 + 32 + 64 + 2048;
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<32>& out) {
    const I32x16 field =
        bit_or(nibble_of(load_i32(block + 64), step), upper_two(load_u16_as_i32(block + 32), 2 * step));
    out.scale[0] = mul(load_f16(block), to_f32(add(field, splat_i32(-32))));
    unpack_nibbles(block + 128 + 256 * step, out.codes);
    look_up_codes(kNonLinear4, out.codes);
  }
};
IQ4_XS format_of(const BlockIQ4_XS*);
