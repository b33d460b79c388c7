#include "plumb/model/random_rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "plumb/core/half.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quant/formats.hpp"
#include "plumb/quant/integer_group.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): a counter and a mixing function, so any row starts anywhere at once.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t state) : state_(state) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// `bits` random bits.
  int bits(int bits) { return static_cast<int>(next() >> (64 - bits)); }

 private:
  std::uint64_t state_;
};

void fill_bytes(SplitMix64& random, std::byte* out, std::size_t bytes) {
  for (; bytes >= 8; bytes -= 8, out += 8) {
    const std::uint64_t word = random.next();
    std::memcpy(out, &word, 8);
  }
  const std::uint64_t word = random.next();
  std::memcpy(out, &word, bytes);
}

constexpr std::size_t kExamples = 64;
constexpr std::size_t kHalfFloats = 4096;
constexpr float kSmallestNormalHalf = 0x1p-14f;
/// Block scales of the K types are subnormal halves in real files too; here they keep at least five bits.
constexpr float kSmallestScale = 0x1p-19f;

/// A block scale near `d`: 0.75 to 1.19 times as large, of random sign.
Half random_scale(SplitMix64& random, double d) {
  const double jitter = 0.75 + 0.0625 * random.bits(3);
  const float size = std::max(static_cast<float>(d * jitter), kSmallestScale);
  return to_half(random.bits(1) ? size : -size);
}
/// d * factor with the precision of a half.
Half times(Half d, float factor) { return to_half(to_float(d) * factor); }
/// 8 to 15, the scale of a sub-block before its sign.
int sub_scale(SplitMix64& random) { return 8 + random.bits(3); }
int signed_sub_scale(SplitMix64& random) { return random.bits(1) ? sub_scale(random) : -sub_scale(random); }

// Scales of one block, d being the step of its codes. Where codes are unsigned, the minimum stands half their range
// below zero.
void set_scales(BlockQ4_0& b, SplitMix64& random, double d) { b.d = random_scale(random, d); }
void set_scales(BlockQ5_0& b, SplitMix64& random, double d) { b.d = random_scale(random, d); }
void set_scales(BlockQ8_0& b, SplitMix64& random, double d) { b.d = random_scale(random, d); }
void set_scales(BlockIQ4_NL& b, SplitMix64& random, double d) { b.d = random_scale(random, d); }
void set_scales(BlockQ4_1& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  b.m = times(b.d, -7.5f);
}
void set_scales(BlockQ5_1& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  b.m = times(b.d, -15.5f);
}
void set_scales(BlockMXFP4& b, SplitMix64&, double d) {
  b.e = static_cast<std::uint8_t>(std::clamp(127 + static_cast<int>(std::lround(std::log2(d))), 2, 254));
}
void set_scales(BlockQ2_K& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  b.dmin = times(b.d, 1.5f);
  for (std::uint8_t& scale : b.scales) scale = static_cast<std::uint8_t>(sub_scale(random) * 17);  // both nibbles
}
void set_scales(BlockQ3_K& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  std::int8_t scales[16];
  for (std::int8_t& scale : scales) scale = static_cast<std::int8_t>(signed_sub_scale(random));
  pack_scales_q3_k(scales, b.scales);
}
template <class Block>
void set_k_scales(Block& b, SplitMix64& random, double d, float half_range) {
  b.d = random_scale(random, d);
  b.dmin = times(b.d, half_range);
  ScalesK4 scales{};
  for (std::size_t s = 0; s < 8; ++s)
    scales.scale[s] = scales.minimum[s] = static_cast<std::uint8_t>(32 + random.bits(5));
  pack_scales_k4(scales, b.scales);
}
void set_scales(BlockQ4_K& b, SplitMix64& random, double d) { set_k_scales(b, random, d, 7.5f); }
void set_scales(BlockQ5_K& b, SplitMix64& random, double d) { set_k_scales(b, random, d, 15.5f); }
void set_scales(BlockQ6_K& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  for (std::int8_t& scale : b.scales) scale = static_cast<std::int8_t>(signed_sub_scale(random));
}
void set_scales(BlockIQ4_XS& b, SplitMix64& random, double d) {
  b.d = random_scale(random, d);
  b.scales_h = 0;
  for (std::uint8_t& low : b.scales_l) low = 0;
  for (int s = 0; s < 8; ++s) {
    const int scale = signed_sub_scale(random) + 32;
    b.scales_l[s / 2] = static_cast<std::uint8_t>(b.scales_l[s / 2] | (scale & 15) << (4 * (s % 2)));
    b.scales_h = static_cast<std::uint16_t>(b.scales_h | (scale >> 4) << (2 * s));
  }
}

/// A group of an in-memory integer type.
template <int bits, bool zero_point>
void set_scales(IntegerGroup<bits, zero_point> storage, std::byte* group, SplitMix64& random, double d) {
  GroupScale s{random_scale(random, d), {}};
  if constexpr (zero_point) s.minimum = times(s.scale, -0.5f * ((1 << bits) - 1));
  storage.set_scale(group, s);
}

/// kExamples blocks of random codes with scales for code steps near d.
template <class Block>
std::vector<std::byte> random_blocks(std::uint64_t seed, double d) {
  std::vector<std::byte> blocks(kExamples * sizeof(Block));
  SplitMix64 random(seed);
  fill_bytes(random, blocks.data(), blocks.size());
  for (std::size_t i = 0; i < kExamples; ++i) {
    Block block;
    std::memcpy(&block, blocks.data() + i * sizeof(Block), sizeof(Block));
    set_scales(block, random, d);
    std::memcpy(blocks.data() + i * sizeof(Block), &block, sizeof(Block));
  }
  return blocks;
}

/// kExamples groups of 32 weights, in the type of that group whatever group `type` has: scales are alike.
std::vector<std::byte> random_groups(DType type, std::uint64_t seed, double d) {
  return visit_integer_type(type, [&](auto storage) {
    const std::size_t bytes = storage.bytes(storage.kStep);
    std::vector<std::byte> groups(kExamples * bytes);
    SplitMix64 random(seed);
    fill_bytes(random, groups.data(), groups.size());
    for (std::size_t i = 0; i < kExamples; ++i) set_scales(storage, groups.data() + i * bytes, random, d);
    return groups;
  });
}

std::vector<std::byte> random_blocks(DType type, std::uint64_t seed, double d) {
  if (dtype_info(type).in_memory()) return random_groups(type, seed, d);
  return visit_quantized_block(type,
                               [&]<class Block>(std::type_identity<Block>) { return random_blocks<Block>(seed, d); });
}

/// The type of whose blocks random_blocks makes examples.
constexpr DType example_type(DType type) {
  if (!dtype_info(type).in_memory()) return type;
  const auto value = static_cast<std::uint32_t>(type);
  return static_cast<DType>(value - value % 4);  // groups of 32
}
static_assert(example_type(DType::int8rowz) == DType::int8g32z && example_type(DType::int4g64) == DType::int4g32);

double root_mean_square(DType type, const std::vector<std::byte>& blocks) {
  std::vector<float> weights(blocks.size() / dtype_info(type).block_bytes * dtype_info(type).block_elements);
  dequantize_row(type, blocks.data(), weights.data(), static_cast<std::int64_t>(weights.size()));
  double power = 0;
  for (const float w : weights) power += double{w} * w;
  return std::sqrt(power / static_cast<double>(weights.size()));
}

}  // namespace

RandomRows::RandomRows(DType type, std::int64_t cols, double deviation, std::uint64_t seed)
    : type_(type), cols_(cols), seed_(SplitMix64(seed).next()), row_bytes_(plumb::row_bytes(type, cols)) {
  if (dtype_info(type).quantized())
    make_blocks(deviation);
  else
    make_floats(deviation);
}

void RandomRows::make_blocks(double deviation) {
  const DTypeInfo& info = dtype_info(type_);
  block_bytes_ = info.row_scale_bytes > 0 ? row_bytes_ : info.block_bytes;
  example_bytes_ = dtype_info(example_type(type_)).block_bytes;
  scales_ = scale_ranges(type_);
  // What a step of 1 gives says which step gives the deviation.
  const double at_one = root_mean_square(example_type(type_), random_blocks(type_, seed_, 1.0));
  examples_ = random_blocks(type_, seed_, deviation / at_one);
}

void RandomRows::make_floats(double deviation) {
  const double bound = deviation * std::sqrt(3.0);  // a uniform variable on [-bound, bound] has this deviation
  if (type_ == DType::f32) {
    unit_ = static_cast<float>(bound * 0x1p-31);
    return;
  }
  if (type_ != DType::f16 && type_ != DType::bf16)
    throw Error(ErrorCode::unsupported_type,
                "random weights of type " + std::string(dtype_name(type_)) + ": the type is not computed");
  half_floats_.resize(kHalfFloats);
  for (std::size_t i = 0; i < kHalfFloats; ++i) {
    float value = static_cast<float>(bound * ((2.0 * static_cast<double>(i) + 1.0) / kHalfFloats - 1.0));
    if (std::abs(value) < kSmallestNormalHalf) value = std::copysign(kSmallestNormalHalf, value);
    half_floats_[i] = type_ == DType::f16 ? to_half(value).bits : to_bfloat16(value).bits;
  }
}

void RandomRows::fill(std::int64_t row, std::byte* out) const {
  SplitMix64 random(seed_ ^ SplitMix64(static_cast<std::uint64_t>(row)).next());
  if (!half_floats_.empty()) {
    for (std::int64_t i = 0; i < cols_; i += 5) {  // five indices of 12 bits from each word
      std::uint64_t word = random.next();
      const std::int64_t n = std::min<std::int64_t>(5, cols_ - i);
      for (std::int64_t j = 0; j < n; ++j, word >>= 12)
        std::memcpy(out + 2 * (i + j), &half_floats_[word % kHalfFloats], 2);
    }
    return;
  }
  fill_bytes(random, out, row_bytes_);
  if (type_ == DType::f32) {
    for (std::int64_t i = 0; i < cols_; ++i) {
      std::int32_t bits = 0;
      std::memcpy(&bits, out + 4 * i, 4);
      const float value = unit_ * static_cast<float>(bits | 1);  // never zero
      std::memcpy(out + 4 * i, &value, 4);
    }
    return;
  }
  for (std::size_t b = 0; b < row_bytes_; b += block_bytes_) {
    const std::byte* const example = examples_.data() + static_cast<std::size_t>(random.bits(6)) * example_bytes_;
    for (const ByteRange& scales : scales_) std::memcpy(out + b + scales.offset, example + scales.offset, scales.bytes);
  }
}

}  // namespace plumb
