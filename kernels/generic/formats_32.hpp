// How packed blocks of 32 weights become unsigned codes and f32 scales. Included inside a tier's region, after
// simd.hpp.
//
// A format is a struct with
//   kGroup        weights per scale that a step sees: 32 or 16
//   kOffset       code that means zero: w = scale * (code - kOffset), or 0: w = scale * code - min
//   kMaxCode      largest code
//   kBlockSteps   steps of 32 k per block
//   kBlockBytes   bytes of one block of 16 rows
//   kHeaderBytes  bytes of scales before the blocks of a panel; absent: none
//   unpack(block, step, out), and unpack_scales(panel, out) where there is such a header
// and format_of, declared beside it, says whose packed blocks these are.
//
// The packed order of a block's parts is the comment above each struct; every [16] is one value per row.

// One step of 16 rows: codes[v] holds k = 4v .. 4v+3 of every row.
template <int Group>
struct UnpackedStep {
  static constexpr int kScales = 32 / Group;
  U8x64 codes[8];
  F32x16 scale[kScales];
  F32x16 min[kScales];  // only where the format has minimums
};

// The nibble order of all 32-weight formats: byte j of a row holds k = j (low) and k = j + 16 (high).
PLUMB_INLINE void unpack_nibbles(const std::byte* bytes, U8x64 (&codes)[8]) {
  PLUMB_UNROLL(4)
  for (int v = 0; v < 4; ++v) {
    const U8x64 both = load_u8(bytes + 64 * v);
    codes[v] = bit_and(both, 0x0F);
    codes[v + 4] = bit_and(shift_right16(both, 4), 0x0F);
  }
}
// Adds the fifth bits: bit v of a row's byte t belongs to k = 4v + t.
PLUMB_INLINE void add_fifth_bits(const std::byte* bits, U8x64 (&codes)[8]) {
  const U8x64 high = load_u8(bits);
  PLUMB_UNROLL(8)
  for (int v = 0; v < 8; ++v) {
    const U8x64 moved = v < 4 ? shift_left16(high, 4 - v) : shift_right16(high, v - 4);
    codes[v] = bit_or(codes[v], bit_and(moved, 0x10));
  }
}
PLUMB_INLINE void look_up_codes(const std::uint8_t* table, U8x64 (&codes)[8]) {
  PLUMB_UNROLL(8)
  for (int v = 0; v < 8; ++v) codes[v] = look_up16(table, codes[v]);
}

// Integers with a scale for each 32 Steps weights, or with Steps = 0 for each row:
// | scale: f16[16] | minimum: f16[16], with a zero point only | Steps x (8 x 64 codes, or 4 x 64 nibble pairs) |
// w = scale * (code - kOffset), or scale * code + minimum. A row's scales stand at the start of its panel.
template <int Bits, int Steps, bool ZeroPoint>
struct Integers {
  static constexpr int kBlockSteps = Steps == 0 ? 1 : Steps, kGroup = 32, kMaxCode = (1 << Bits) - 1;
  static constexpr int kOffset = ZeroPoint ? 0 : 1 << (Bits - 1);
  static constexpr std::int64_t kScaleBytes = ZeroPoint ? 64 : 32, kStepBytes = 64 * Bits;
  static constexpr std::int64_t kHeaderBytes = Steps == 0 ? kScaleBytes : 0;
  static constexpr std::int64_t kBlockBytes = kScaleBytes - kHeaderBytes + kBlockSteps * kStepBytes;

  PLUMB_INLINE void unpack_scales(const std::byte* scales, UnpackedStep<32>& out) {
    out.scale[0] = load_f16(scales);
    if constexpr (ZeroPoint) out.min[0] = neg_mul_add(load_f16(scales + 32), splat_f32(1.0f), zero_f32());
  }
  PLUMB_INLINE void unpack(const std::byte* block, int step, UnpackedStep<32>& out) {
    if constexpr (Steps != 0) unpack_scales(block, out);
    const std::byte* const codes = block + (kScaleBytes - kHeaderBytes) + kStepBytes * step;
    if constexpr (Bits == 4) {
      unpack_nibbles(codes, out.codes);
    } else {
      PLUMB_UNROLL(8)
      for (int v = 0; v < 8; ++v) out.codes[v] = load_u8(codes + 64 * v);
    }
  }
};

// The file formats that are just that.
Integers<8, 1, false> format_of(const BlockQ8_0*);
Integers<4, 1, false> format_of(const BlockQ4_0*);
Integers<4, 1, true> format_of(const BlockQ4_1*);

// What stands before the blocks of a panel: nothing, or the scales of its rows.
template <class Format>
constexpr std::int64_t header_bytes() {
  if constexpr (requires { Format::kHeaderBytes; }) return Format::kHeaderBytes;
  return 0;
}
// One step of a block of a panel.
template <class Format>
PLUMB_INLINE void unpack_step(const std::byte* panel, const std::byte* block, int step,
                              UnpackedStep<Format::kGroup>& out) {
  if constexpr (header_bytes<Format>() != 0) Format::unpack_scales(panel, out);
  Format::unpack(block, step, out);
}

// | d: f16[16] | 64 fifth bits | 4 x 64 nibble pairs |
struct Q5_0 {
  static constexpr int kBlockSteps = 1, kGroup = 32, kOffset = 16, kMaxCode = 31;
  static constexpr std::int64_t kBlockBytes = 32 + 64 + 256;
  PLUMB_INLINE void unpack(const std::byte* block, int, UnpackedStep<32>& out) {
    out.scale[0] = load_f16(block);
    unpack_nibbles(block + 96, out.codes);
    add_fifth_bits(block + 32, out.codes);
  }
};
Q5_0 format_of(const BlockQ5_0*);

// | d: f16[16] | m: f16[16] | 64 fifth bits | 4 x 64 nibble pairs |; w = d * code + m
struct Q5_1 {
  static constexpr int kBlockSteps = 1, kGroup = 32, kOffset = 0, kMaxCode = 31;
  static constexpr std::int64_t kBlockBytes = 64 + 64 + 256;
  PLUMB_INLINE void unpack(const std::byte* block, int, UnpackedStep<32>& out) {
    out.scale[0] = load_f16(block);
    out.min[0] = neg_mul_add(load_f16(block + 32), splat_f32(1.0f), zero_f32());
    unpack_nibbles(block + 128, out.codes);
    add_fifth_bits(block + 64, out.codes);
  }
};
Q5_1 format_of(const BlockQ5_1*);

// The 16 values of the non-linear 4-bit formats, plus 128 (ggml's kvalues_iq4nl).
static constexpr std::uint8_t kNonLinear4[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                 129, 141, 153, 166, 181, 197, 217, 241};

// | d: f16[16] | 4 x 64 nibble pairs |
struct IQ4_NL {
  static constexpr int kBlockSteps = 1, kGroup = 32, kOffset = 128, kMaxCode = 255;
  static constexpr std::int64_t kBlockBytes = 32 + 256;
  PLUMB_INLINE void unpack(const std::byte* block, int, UnpackedStep<32>& out) {
    out.scale[0] = load_f16(block);
    unpack_nibbles(block + 32, out.codes);
    look_up_codes(kNonLinear4, out.codes);
  }
};
IQ4_NL format_of(const BlockIQ4_NL*);

// The 16 E2M1 values, doubled to be integers, plus 16 (OCP Microscaling Formats 1.0).
static constexpr std::uint8_t kE2M1[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

// | e: E8M0[16] | 4 x 64 nibble pairs |; w = 2^(e - 128) * doubled value
struct MXFP4 {
  static constexpr int kBlockSteps = 1, kGroup = 32, kOffset = 16, kMaxCode = 31;
  static constexpr std::int64_t kBlockBytes = 16 + 256;
  PLUMB_INLINE void unpack(const std::byte* block, int, UnpackedStep<32>& out) {
    // 2^(e - 128) as a product of two normal powers, since e = 0 and 1 give subnormal results.
    const I32x16 e = load_u8_as_i32(block);
    const I32x16 floor_half = shift_right(e, 1), ceil_half = shift_right(add(e, splat_i32(1)), 1);
    out.scale[0] = mul(bits_to_f32(shift_left(add(floor_half, splat_i32(63)), 23)),
                       bits_to_f32(shift_left(add(ceil_half, splat_i32(63)), 23)));
    unpack_nibbles(block + 16, out.codes);
    look_up_codes(kE2M1, out.codes);
  }
};
MXFP4 format_of(const BlockMXFP4*);
