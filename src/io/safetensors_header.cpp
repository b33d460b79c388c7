#include "safetensors_header.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "plumb/core/checked.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/byte_reader.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The format's own limit.
constexpr std::uint64_t kMaxHeader = 100'000'000;
/// More dimensions than any tensor of a model has.
constexpr std::size_t kMaxDimensions = 8;

struct TypeRow {
  SafeType type;
  std::string_view name;
  std::size_t bytes;
};
constexpr std::array kTypes{
    TypeRow{SafeType::boolean, "BOOL", 1},    TypeRow{SafeType::u8, "U8", 1},
    TypeRow{SafeType::i8, "I8", 1},           TypeRow{SafeType::f8_e5m2, "F8_E5M2", 1},
    TypeRow{SafeType::f8_e4m3, "F8_E4M3", 1}, TypeRow{SafeType::f8_e8m0, "F8_E8M0", 1},
    TypeRow{SafeType::i16, "I16", 2},         TypeRow{SafeType::u16, "U16", 2},
    TypeRow{SafeType::f16, "F16", 2},         TypeRow{SafeType::bf16, "BF16", 2},
    TypeRow{SafeType::i32, "I32", 4},         TypeRow{SafeType::u32, "U32", 4},
    TypeRow{SafeType::f32, "F32", 4},         TypeRow{SafeType::i64, "I64", 8},
    TypeRow{SafeType::u64, "U64", 8},         TypeRow{SafeType::f64, "F64", 8},
};

/// Reads the header as it is parsed, so that a long one takes no more memory than its tensors: an object of tensors,
/// each {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, and perhaps "__metadata__", an object of strings.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(std::string file, std::span<const std::byte> data) : file_(std::move(file)), data_(data) {}

  std::vector<SafeTensor> take() { return std::move(tensors_); }

  bool key(std::string& name) override {
    if (depth_ == 1) {
      metadata_ = name == "__metadata__";
      current_ = {};
      current_.name = name;
      seen_ = {};
      offsets_.clear();
    } else if (!metadata_) {
      const auto field = std::find(kFields.begin(), kFields.end(), name);
      if (field == kFields.end()) fail(ErrorCode::bad_value, "has a field " + quote(name) + ", expected " + kExpected);
      field_ = static_cast<std::size_t>(field - kFields.begin());
      if (std::exchange(seen_[field_], true)) fail(ErrorCode::duplicate, "has two fields " + quote(name));
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (++depth_ > 2) unexpected("an object");
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2 && !metadata_) finish_tensor();
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || metadata_ || field_ == kDtype || in_array_) unexpected("an array");
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool string(std::string& text) override {
    if (depth_ == 2 && metadata_) return true;
    if (depth_ != 2 || field_ != kDtype) unexpected("a string");
    const auto row = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& r) { return r.name == text; });
    if (row == kTypes.end()) fail(ErrorCode::unsupported_type, "has the type " + quote(text) + ", which is not known");
    current_.type = row->type;
    return true;
  }
  bool number_unsigned(std::uint64_t number) override {
    if (!in_array_) unexpected("a number");
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail(ErrorCode::overflow, std::string(kFields[field_]) + " holds " + std::to_string(number));
    if (field_ == kShape) {
      if (current_.shape.size() == kMaxDimensions)
        fail(ErrorCode::bad_shape, "has more than " + std::to_string(kMaxDimensions) + " dimensions");
      current_.shape.push_back(static_cast<std::int64_t>(number));
    } else {
      if (offsets_.size() == 2) fail(ErrorCode::bad_value, "has more than two data_offsets");
      offsets_.push_back(number);
    }
    return true;
  }
  bool number_integer(std::int64_t number) override {
    if (!in_array_) unexpected("a number");
    fail(ErrorCode::bad_value, std::string(kFields[field_]) + " holds " + std::to_string(number));
  }
  bool number_float(double, const std::string&) override { unexpected("a fraction"); }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& failure) override {
    throw Error(ErrorCode::bad_value, file_ + ": the header is not valid JSON: " + printable(failure.what()));
  }

 private:
  static constexpr std::array<std::string_view, 3> kFields{"dtype", "shape", "data_offsets"};
  static constexpr std::size_t kDtype = 0, kShape = 1;
  static constexpr const char* kExpected = "dtype, shape and data_offsets";

  [[noreturn]] void fail(ErrorCode code, const std::string& what) const {
    throw Error(code, file_ + ": tensor " + quote(current_.name) + " " + what);
  }
  [[noreturn]] void unexpected(const std::string& found) const {
    if (depth_ == 0) throw Error(ErrorCode::bad_value, file_ + ": the header is " + found + ", expected an object");
    if (metadata_) throw Error(ErrorCode::wrong_type, file_ + ": __metadata__ holds " + found + ", expected strings");
    if (depth_ == 1) fail(ErrorCode::wrong_type, "is " + found + ", expected an object");
    fail(ErrorCode::wrong_type, std::string(kFields[field_]) + " is or holds " + found);
  }

  void finish_tensor() {
    for (std::size_t i = 0; i < kFields.size(); ++i)
      if (!seen_[i]) fail(ErrorCode::missing_key, "has no " + std::string(kFields[i]));
    if (offsets_.size() != 2)
      fail(ErrorCode::bad_value, "has " + std::to_string(offsets_.size()) + " data_offsets, expected two");
    const std::uint64_t begin = offsets_[0], end = offsets_[1];
    if (begin > end)
      fail(ErrorCode::bad_offset, "begins at " + std::to_string(begin) + " and ends at " + std::to_string(end));
    if (end > data_.size())
      fail(ErrorCode::truncated,
           "ends at byte " + std::to_string(end) + " of the data, the file has " + std::to_string(data_.size()));
    const std::string what = file_ + ": tensor " + quote(current_.name) + ": bytes";
    auto bytes = std::uint64_t{safe_type_bytes(current_.type)};
    for (const std::int64_t n : current_.shape) bytes = checked_mul(bytes, static_cast<std::uint64_t>(n), what);
    if (bytes != end - begin)
      fail(ErrorCode::bad_shape, "has a shape of " + std::to_string(bytes) + " bytes as " +
                                     std::string(safe_type_name(current_.type)) + ", and " +
                                     std::to_string(end - begin) + " bytes of data");
    current_.bytes = data_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(bytes));
    tensors_.push_back(std::move(current_));
  }

  std::string file_;
  std::span<const std::byte> data_;
  std::vector<SafeTensor> tensors_;
  SafeTensor current_;
  std::array<bool, 3> seen_{};
  std::vector<std::uint64_t> offsets_;
  std::size_t field_ = 0;
  int depth_ = 0;
  bool metadata_ = false, in_array_ = false;
};

/// Tensors one behind the other, from the first byte of the data to the last, in any order of their names.
void check_dense(const std::vector<SafeTensor>& tensors, std::span<const std::byte> data, const std::string& file) {
  std::vector<const SafeTensor*> order;
  for (const SafeTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const SafeTensor* a, const SafeTensor* b) {
    return std::pair(a->bytes.data(), a->bytes.size()) < std::pair(b->bytes.data(), b->bytes.size());
  });
  const std::byte* next = data.data();
  for (const SafeTensor* tensor : order) {
    if (tensor->bytes.data() != next)
      throw Error(ErrorCode::bad_offset, file + ": tensor " + quote(tensor->name) + " begins at byte " +
                                             std::to_string(tensor->bytes.data() - data.data()) +
                                             " of the data, expected " + std::to_string(next - data.data()) +
                                             ", where the tensor before it ends");
    next += tensor->bytes.size();
  }
  if (const auto left = static_cast<std::size_t>(data.data() + data.size() - next); left > 0)
    throw Error(ErrorCode::bad_offset, file + ": the last " + std::to_string(left) + " bytes belong to no tensor");
}

}  // namespace

std::string_view safe_type_name(SafeType type) { return kTypes[static_cast<std::size_t>(type)].name; }
std::size_t safe_type_bytes(SafeType type) { return kTypes[static_cast<std::size_t>(type)].bytes; }

std::vector<SafeTensor> read_safetensors(std::span<const std::byte> file, const std::string& name) {
  ByteReader reader(file, name);
  const auto length = reader.number<std::uint64_t>("length of the header");
  if (length > kMaxHeader)
    reader.fail(ErrorCode::bad_value,
                "the header has " + std::to_string(length) + " bytes, expected at most " + std::to_string(kMaxHeader));
  const auto header = reader.take(length, "header");
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  if (!text.starts_with('{')) reader.fail(ErrorCode::bad_value, "the header does not begin with '{'");
  const auto data = file.subspan(reader.position());
  HeaderReader tensors(name, data);
  nlohmann::json::sax_parse(text, &tensors);
  std::vector<SafeTensor> all = tensors.take();
  check_dense(all, data, name);
  return all;
}

}  // namespace plumb
