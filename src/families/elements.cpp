#include "elements.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "plumb/core/error.hpp"
#include "plumb/core/half.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// Largest number of F16.
constexpr float kHalfMax = 65504.0f;
constexpr std::int64_t kMxfp4Numbers = 32, kMxfp4Bytes = 16;

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

[[noreturn]] void fail(ErrorCode code, const std::string& where, const std::string& name, const std::string& what) {
  throw Error(code, where + ": tensor " + quote(name) + ": " + what);
}

/// Numbers of eight bits with a sign, `exponent` bits of exponent and the rest of fraction. E4M3 has no infinity and
/// one NaN of each sign (OCP 8-bit floating point, section 5).
float eight_bit_float(std::uint8_t bits, int exponent_bits) {
  const int fraction_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = (bits & 127) >> fraction_bits, fraction = bits & ((1 << fraction_bits) - 1);
  const float sign = (bits & 128) != 0 ? -1.0f : 1.0f;
  const int last = (1 << exponent_bits) - 1;
  if (exponent_bits == 4 ? (bits & 127) == 127 : exponent == last)
    return exponent_bits == 5 && fraction == 0 ? sign * HUGE_VALF : std::nanf("");
  const float mantissa = std::ldexp(static_cast<float>(fraction), -fraction_bits);
  return sign * (exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1.0f + mantissa, exponent - bias));
}

/// All numbers that a byte can be.
using ByteNumbers = std::array<float, 256>;
std::optional<ByteNumbers> byte_numbers(SafeType type) {
  ByteNumbers numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto bits = static_cast<std::uint8_t>(i);
    switch (type) {
      case SafeType::f8_e4m3: numbers[i] = eight_bit_float(bits, 4); break;
      case SafeType::f8_e5m2: numbers[i] = eight_bit_float(bits, 5); break;
      case SafeType::i8: numbers[i] = static_cast<float>(static_cast<std::int8_t>(bits)); break;
      default: return std::nullopt;
    }
  }
  return numbers;
}

float largest_finite(const ByteNumbers& numbers) {
  float most = 0;
  for (const float number : numbers)
    if (std::isfinite(number)) most = std::max(most, std::abs(number));
  return most;
}

/// Scales of the numbers of a tensor: along each dimension one for so many.
struct Scales {
  std::vector<float> values;
  std::vector<std::int64_t> shape;   // of the numbers
  std::vector<std::int64_t> counts;  // of the scales
  std::vector<std::int64_t> blocks;  // numbers of a dimension that share one

  /// That of the number at `index` (of all).
  float of(std::int64_t index) const {
    std::int64_t at = 0, unit = 1;
    for (std::size_t d = shape.size(); d-- > 0; index /= shape[d]) {
      at += index % shape[d] / blocks[d] * unit;
      unit *= counts[d];
    }
    return values[static_cast<std::size_t>(at)];
  }
};

std::vector<float> floats_of(const SafeTensor& tensor, const std::string& where) {
  const std::size_t n = tensor.bytes.size() / safe_type_bytes(tensor.type);
  std::vector<float> values(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::byte* const from = tensor.bytes.data() + i * safe_type_bytes(tensor.type);
    switch (tensor.type) {
      case SafeType::f32: values[i] = load<float>(from); break;
      case SafeType::bf16: values[i] = to_float(BFloat16{load<std::uint16_t>(from)}); break;
      case SafeType::f16: values[i] = to_float(Half{load<std::uint16_t>(from)}); break;
      case SafeType::f8_e8m0: values[i] = std::ldexp(1.0f, static_cast<int>(load<std::uint8_t>(from)) - 127); break;
      default:
        fail(ErrorCode::wrong_type, where, tensor.name,
             "type " + std::string(safe_type_name(tensor.type)) + ", expected F32, F16 or BF16 scales");
    }
  }
  return values;
}

/// Blocks of a dimension: those of the usual sizes, of which the last may be partial.
std::int64_t block_of(std::int64_t numbers, std::int64_t scales) {
  if (scales == 1) return numbers;
  if (scales == numbers) return 1;
  for (const std::int64_t block : {128, 64, 32, 16, 256})
    if ((numbers + block - 1) / block == scales) return block;
  return scales > 0 && numbers % scales == 0 ? numbers / scales : 0;
}

/// One scale for all, one for each row, or as many dimensions as the tensor has.
Scales scales_of(const SafeTensor& tensor, const SafeTensor& scale, const std::string& where) {
  Scales scales{floats_of(scale, where), tensor.shape, scale.shape, {}};
  if (scales.values.size() == 1) scales.counts.clear();
  bool fits = !tensor.shape.empty() && scales.counts.size() <= tensor.shape.size();
  scales.counts.resize(tensor.shape.size(), 1);
  for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
    scales.blocks.push_back(block_of(tensor.shape[d], scales.counts[d]));
    fits = fits && scales.blocks.back() > 0;
  }
  if (!fits)
    fail(ErrorCode::bad_shape, where, scale.name,
         "shape " + shape_text(scale.shape) + ", expected scales for a tensor of " + shape_text(tensor.shape));
  return scales;
}

const SafeTensor* find_scale(const Safetensors& weights, const SafeTensor& tensor) {
  for (const char* suffix : {"_scale_inv", "_scale"})
    if (const SafeTensor* scale = weights.find(tensor.name + suffix)) return scale;
  return nullptr;
}

/// Numbers of a byte each, times their scales.
Elements scaled_bytes(const Safetensors& weights, const SafeTensor& tensor, const ByteNumbers& numbers,
                      const std::string& where) {
  const SafeTensor* const scale = find_scale(weights, tensor);
  if (!scale && tensor.type == SafeType::i8)
    fail(ErrorCode::unsupported_type, where, tensor.name, "type I8 without a tensor of scales");
  if (const SafeTensor* zero = weights.find(tensor.name + "_zero_point");
      zero && std::any_of(zero->bytes.begin(), zero->bytes.end(), [](std::byte b) { return b != std::byte{0}; }))
    fail(ErrorCode::unsupported_type, where, zero->name, "holds zero points, expected none, or zeros");
  std::shared_ptr<const Scales> scales;
  float most = largest_finite(numbers);
  if (scale) {
    scales = std::make_shared<const Scales>(scales_of(tensor, *scale, where));
    float largest = 0;
    for (const float value : scales->values) largest = std::max(largest, std::abs(value));
    most *= largest;
  }
  Elements elements;
  elements.type = most <= kHalfMax ? DType::f16 : DType::f32;
  const bool half = elements.type == DType::f16;
  const std::byte* const from = tensor.bytes.data();
  elements.copy = [=](std::int64_t first, std::int64_t count, std::byte* out) {
    const std::int64_t cols = scales ? scales->shape.back() : count;
    const std::int64_t block = scales ? scales->blocks.back() : count;
    for (std::int64_t i = first; i < first + count;) {
      // As far as one scale goes.
      const std::int64_t col = scales ? i % cols : 0, until = std::min(col + block - col % block, cols);
      const std::int64_t end = scales ? std::min(first + count, i + until - col) : first + count;
      const float factor = scales ? scales->of(i) : 1.0f;
      for (; i < end; ++i) {
        const float value = numbers[std::to_integer<std::size_t>(from[i])] * factor;
        if (half) {
          const Half narrow = to_half(value);
          std::memcpy(out, &narrow, sizeof narrow);
        } else {
          std::memcpy(out, &value, sizeof value);
        }
        out += half ? sizeof(Half) : sizeof(float);
      }
    }
  };
  return elements;
}

/// Numbers that are as they shall be.
Elements plain(const SafeTensor& tensor, DType type) {
  Elements elements;
  elements.type = type;
  const std::size_t size = dtype_info(type).block_bytes;
  const std::byte* const from = tensor.bytes.data();
  elements.stored = reinterpret_cast<std::uintptr_t>(from) % size == 0;
  elements.copy = [=](std::int64_t first, std::int64_t count, std::byte* out) {
    std::memcpy(out, from + static_cast<std::size_t>(first) * size, static_cast<std::size_t>(count) * size);
  };
  return elements;
}

Elements narrowed(const SafeTensor& tensor) {
  Elements elements;
  const std::byte* const from = tensor.bytes.data();
  elements.copy = [from](std::int64_t first, std::int64_t count, std::byte* out) {
    for (std::int64_t i = first; i < first + count; ++i, out += sizeof(float)) {
      const auto value = static_cast<float>(load<double>(from + static_cast<std::size_t>(i) * sizeof(double)));
      std::memcpy(out, &value, sizeof value);
    }
  };
  return elements;
}

}  // namespace

std::int64_t Elements::count() const {
  std::int64_t n = 1;
  for (const std::int64_t dim : shape) n *= dim;  // as many as the file has bytes for
  return n;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t dim : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

Elements elements_of(const Safetensors& weights, const SafeTensor& tensor, const std::string& where) {
  Elements elements;
  if (tensor.type == SafeType::f32) {
    elements = plain(tensor, DType::f32);
  } else if (tensor.type == SafeType::f16) {
    elements = plain(tensor, DType::f16);
  } else if (tensor.type == SafeType::bf16) {
    elements = plain(tensor, DType::bf16);
  } else if (tensor.type == SafeType::f64) {
    elements = narrowed(tensor);
  } else if (const auto numbers = byte_numbers(tensor.type)) {
    elements = scaled_bytes(weights, tensor, *numbers, where);
  } else {
    fail(ErrorCode::unsupported_type, where, tensor.name,
         "type " + std::string(safe_type_name(tensor.type)) + ", expected floats, or I8 with scales");
  }
  elements.shape = tensor.shape;
  elements.bytes = tensor.bytes;
  return elements;
}

Elements mxfp4_of(const SafeTensor& blocks, const SafeTensor& scales, const std::string& where) {
  for (const SafeTensor* part : {&blocks, &scales})
    if (part->type != SafeType::u8 && !(part == &scales && part->type == SafeType::f8_e8m0))
      fail(ErrorCode::wrong_type, where, part->name,
           "type " + std::string(safe_type_name(part->type)) + ", expected U8");
  std::vector<std::int64_t> expected = scales.shape;
  expected.push_back(kMxfp4Bytes);
  if (scales.shape.empty() || blocks.shape != expected)
    fail(ErrorCode::bad_shape, where, blocks.name,
         "shape " + shape_text(blocks.shape) + ", expected " + shape_text(expected) + " as the scales have");
  Elements elements;
  elements.type = DType::mxfp4;
  elements.shape = scales.shape;
  elements.shape.back() *= kMxfp4Numbers;
  elements.bytes = blocks.bytes;
  const std::byte *const numbers = blocks.bytes.data(), *const exponents = scales.bytes.data();
  // There a byte holds two neighbours, here numbers j and j + 16 of a block; the exponent comes first.
  elements.copy = [=](std::int64_t first, std::int64_t count, std::byte* out) {
    for (std::int64_t b = first / kMxfp4Numbers; b < (first + count) / kMxfp4Numbers; ++b) {
      const std::byte* const from = numbers + b * kMxfp4Bytes;
      *out++ = exponents[b];
      for (std::int64_t j = 0; j < kMxfp4Bytes; ++j) {
        const auto code = [from](std::int64_t i) {
          return i % 2 == 0 ? from[i / 2] & std::byte{15} : from[i / 2] >> 4;
        };
        *out++ = code(j) | code(j + kMxfp4Bytes) << 4;
      }
    }
  };
  return elements;
}

}  // namespace plumb::family
