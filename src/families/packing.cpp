#include "packing.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "../io/json_reader.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/half.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/quant/integer_group.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

[[noreturn]] void fail(ErrorCode code, const std::string& where, const SafeTensor& tensor, const std::string& what) {
  throw Error(code, where + ": tensor " + quote(tensor.name) + ": " + what);
}

void expect(const SafeTensor& tensor, SafeType type, const std::vector<std::int64_t>& shape, const std::string& where) {
  if (tensor.type != type)
    fail(ErrorCode::wrong_type, where, tensor,
         "type " + std::string(safe_type_name(tensor.type)) + ", expected " + std::string(safe_type_name(type)));
  if (tensor.shape != shape)
    fail(ErrorCode::bad_shape, where, tensor,
         "shape " + shape_text(tensor.shape) + ", expected " + shape_text(shape) + " beside the other parts");
}

/// The integer type of such groups; nothing where there is none.
std::optional<DType> integer_type_of(int bits, int group, bool zero_point) {
  for (std::uint32_t id = kFirstInMemory; id < kDTypeValues; ++id)
    if (integer_type(static_cast<DType>(id)) == IntegerType{bits, group, zero_point}) return static_cast<DType>(id);
  return std::nullopt;
}

/// Words of 32 bits in a row-major matrix, as numbers of a few bits each.
class Words {
 public:
  Words() = default;
  Words(const SafeTensor& tensor, int bits) : data_(tensor.bytes.data()), cols_(tensor.shape[1]), bits_(bits) {}

  int number(std::int64_t row, std::int64_t col, int place) const {
    std::uint32_t word;
    std::memcpy(&word, data_ + (row * cols_ + col) * 4, sizeof word);
    return static_cast<int>(word >> (bits_ * place) & ((1u << bits_) - 1));
  }

 private:
  const std::byte* data_ = nullptr;
  std::int64_t cols_ = 0;
  int bits_ = 4;
};

/// Where AWQ puts the eight neighbours of a word.
constexpr std::array<int, 8> kAwqPlaces{0, 4, 1, 5, 2, 6, 3, 7};

/// A packed matrix, its numbers by row and column of ours.
struct PackedMatrix {
  Packing packing;
  Words codes, zeros;
  const std::byte* scales = nullptr;  // F16 [groups, rows]
  std::int64_t rows = 0, cols = 0, group = 0;

  int per_word() const { return 32 / packing.bits; }
  int code(std::int64_t row, std::int64_t col) const {
    if (packing.kind == Packing::Kind::awq)
      return codes.number(col, row / 8, kAwqPlaces[static_cast<std::size_t>(row % 8)]);
    return codes.number(col / per_word(), row, static_cast<int>(col % per_word()));
  }
  int zero(std::int64_t g, std::int64_t row) const {
    if (packing.kind == Packing::Kind::awq)
      return zeros.number(g, row / 8, kAwqPlaces[static_cast<std::size_t>(row % 8)]);
    const int stored = zeros.number(g, row / per_word(), static_cast<int>(row % per_word()));
    return (stored + (packing.zeros_less_one ? 1 : 0)) & ((1 << packing.bits) - 1);
  }
  Half scale(std::int64_t g, std::int64_t row) const {
    Half value;
    std::memcpy(static_cast<void*>(&value), scales + (g * rows + row) * 2, sizeof value);
    return value;
  }

  bool symmetric() const {
    for (std::int64_t g = 0; g < cols / group; ++g)
      for (std::int64_t r = 0; r < rows; ++r)
        if (zero(g, r) != 1 << (packing.bits - 1)) return false;
    return true;
  }

  /// One row in the layout of the type.
  template <class Group>
  void write_row(std::int64_t row, std::byte* out) const {
    constexpr std::int64_t kStep = Group::kStep;
    for (std::int64_t g = 0; g < cols / group; ++g, out += Group::bytes(group)) {
      const Half unit = scale(g, row);
      const float zero_point = static_cast<float>(zero(g, row));
      Group::set_scale(out, {unit, to_half(-to_float(unit) * zero_point)});
      for (std::int64_t s = 0; s < group / kStep; ++s) {
        std::uint8_t stored[kStep];
        for (std::int64_t j = 0; j < kStep; ++j)
          stored[j] = static_cast<std::uint8_t>(code(row, g * group + s * kStep + j));
        Group::set_stored_step(out, s, stored);
      }
    }
  }
};

/// Columns in groups that follow each other; act-order has them in another.
void expect_in_order(const SafeTensor& indices, std::int64_t cols, std::int64_t group, const std::string& where) {
  expect(indices, SafeType::i32, {cols}, where);
  for (std::int64_t c = 0; c < cols; ++c) {
    std::int32_t index;
    std::memcpy(&index, indices.bytes.data() + c * 4, sizeof index);
    if (index != c / group)
      fail(ErrorCode::unsupported_type, where, indices,
           "column " + std::to_string(c) + " is of group " + std::to_string(index) + ", expected " +
               std::to_string(c / group) + ": columns in another order (desc_act) are not known here");
  }
}

}  // namespace

Packing packing_of(const Config& config, const Safetensors& weights) {
  const auto section = config.file().object("quantization_config");
  if (!section) return {};
  const JsonFields& fields = *section;
  const std::string method = fields.string_or("quant_method", "");
  const auto refuse = [&](std::string_view key, const std::string& found, const std::string& expected) {
    fields.fail(ErrorCode::unsupported_type, key, "is " + quote(found) + ", expected " + expected);
  };
  if (method == "fp8" || method == "fbgemm_fp8" || method == "mxfp4") return {};
  if (method == "bitnet" && config.family().architecture == "bitnet") {
    // Plain weights, which every pass of theirs rounds and the family therefore rounds when it reads them.
    if (fields.bool_or("use_rms_norm", false)) refuse("use_rms_norm", "true", "no norm before each product");
    for (const SafeTensor& tensor : weights.tensors())
      if (tensor.name.ends_with(".weight_scale"))
        fields.fail(ErrorCode::unsupported_type, "quant_method",
                    "is 'bitnet' with packed weights, since there is " + quote(tensor.name) + "; expected plain ones");
    return {};
  }
  if (method == "compressed-tensors") {
    const std::string format = fields.string_or("format", "");
    if (format != "float-quantized" && format != "naive-quantized" && format != "int-quantized" && format != "dense")
      refuse("format", format, "float-quantized, naive-quantized or int-quantized");
    return {};
  }
  if (method != "gptq" && method != "awq")
    refuse("quant_method", method, "gptq, awq, fp8, mxfp4, compressed-tensors, or bitnet of a BitNet");
  Packing packing;
  packing.kind = method == "gptq" ? Packing::Kind::gptq : Packing::Kind::awq;
  packing.bits = fields.int_or("bits", 4, 1, 32);
  if (packing.bits != 4 && !(packing.bits == 8 && method == "gptq"))
    refuse("bits", std::to_string(packing.bits), method == "gptq" ? "4 or 8" : "4");
  packing.group = fields.int_or("group_size", 128, -1, 1 << 20);
  if (packing.group < 0) packing.group = 0;
  const std::string format = fields.string_or("checkpoint_format", "gptq");
  if (format != "gptq" && format != "gptq_v2") refuse("checkpoint_format", format, "gptq or gptq_v2");
  packing.zeros_less_one = format == "gptq";
  if (method == "awq")
    if (const std::string version = fields.string_or("version", "gemm"); version != "gemm" && version != "GEMM")
      refuse("version", version, "gemm");
  return packing;
}

Elements packed_of(const Packing& packing, const PackedParts& parts, const std::string& where) {
  const bool awq = packing.kind == Packing::Kind::awq;
  const std::int64_t per_word = 32 / packing.bits;
  for (const SafeTensor* part : {parts.codes, parts.zeros, parts.scales})
    if (part->shape.size() != 2)
      fail(ErrorCode::bad_shape, where, *part, "shape " + shape_text(part->shape) + ", expected two dimensions");
  PackedMatrix matrix;
  matrix.packing = packing;
  matrix.rows = parts.codes->shape[1] * (awq ? per_word : 1);
  matrix.cols = parts.codes->shape[0] * (awq ? 1 : per_word);
  matrix.group = packing.group > 0 ? packing.group : matrix.cols;
  const bool whole_rows = packing.group == 0 || packing.group == matrix.cols;
  if (matrix.rows < 1 || matrix.cols < 1 || matrix.cols % matrix.group != 0 || matrix.group % 32 != 0)
    fail(ErrorCode::unsupported_type, where, *parts.codes,
         "groups of " + std::to_string(matrix.group) + " for " + std::to_string(matrix.cols) +
             " columns, expected groups of a multiple of 32 that divides them");
  if (matrix.rows % per_word != 0)  // or the zero points of a group end within a word
    fail(ErrorCode::bad_shape, where, *parts.codes,
         std::to_string(matrix.rows) + " rows, expected a multiple of " + std::to_string(per_word));
  const std::int64_t groups = matrix.cols / matrix.group;
  expect(*parts.codes, SafeType::i32, parts.codes->shape, where);
  expect(*parts.zeros, SafeType::i32, {groups, matrix.rows / per_word}, where);
  expect(*parts.scales, SafeType::f16, {groups, matrix.rows}, where);
  if (parts.indices) expect_in_order(*parts.indices, matrix.cols, matrix.group, where);
  matrix.codes = Words(*parts.codes, packing.bits);
  matrix.zeros = Words(*parts.zeros, packing.bits);
  matrix.scales = parts.scales->bytes.data();
  const bool zero_point = !matrix.symmetric();
  std::optional<DType> type = integer_type_of(packing.bits, static_cast<int>(matrix.group), zero_point);
  if (!type && whole_rows) type = integer_type_of(packing.bits, kWholeRow, zero_point);
  if (!type)
    fail(ErrorCode::unsupported_type, where, *parts.codes,
         "groups of " + std::to_string(matrix.group) + " columns, expected 32, 64, 128 or a whole row");
  Elements elements;
  elements.type = *type;
  elements.shape = {matrix.rows, matrix.cols};
  elements.bytes = parts.codes->bytes;
  const std::size_t bytes = row_bytes(*type, matrix.cols);
  elements.copy = [=, type = *type](std::int64_t first, std::int64_t count, std::byte* out) {
    visit_integer_type(type, [&]<class Group>(Group) {
      for (std::int64_t r = first / matrix.cols; r < (first + count) / matrix.cols; ++r, out += bytes)
        matrix.write_row<Group>(r, out);
    });
  };
  return elements;
}

}  // namespace plumb::family
