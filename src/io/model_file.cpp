#include "plumb/io/model_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Positions 0..n-1 sorted by name_of(position).
template <class NameOf>
std::vector<std::uint32_t> sorted_by_name(std::size_t n, NameOf name_of) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return name_of(a) < name_of(b); });
  return order;
}

/// Position of `name` in a table, or nothing.
template <class NameOf>
std::optional<std::uint32_t> find_sorted(const std::vector<std::uint32_t>& order, std::string_view name,
                                         NameOf name_of) {
  const auto found = std::lower_bound(order.begin(), order.end(), name,
                                      [&](std::uint32_t a, std::string_view wanted) { return name_of(a) < wanted; });
  if (found == order.end() || name_of(*found) != name) return std::nullopt;
  return *found;
}

/// Position of a name that stands before it too, or nothing.
template <class NameOf>
std::optional<std::uint32_t> find_duplicate(const std::vector<std::uint32_t>& order, NameOf name_of) {
  const auto twin = std::adjacent_find(order.begin(), order.end(),
                                       [&](std::uint32_t a, std::uint32_t b) { return name_of(a) == name_of(b); });
  if (twin == order.end()) return std::nullopt;
  return std::max(twin[0], twin[1]);
}

bool is_integer(GgufType type) {
  return type != GgufType::boolean && type != GgufType::string && type != GgufType::array && type != GgufType::f32 &&
         type != GgufType::f64;
}

/// Appends `count` packed elements of type From as To.
template <class To, class From>
void append_as(std::vector<To>& out, std::span<const std::byte> payload, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    From element;
    std::memcpy(&element, payload.data() + i * sizeof(From), sizeof(From));
    out.push_back(static_cast<To>(element));
  }
}

}  // namespace

void ModelFile::set_metadata(std::vector<GgufEntry> metadata) {
  metadata_ = std::move(metadata);
  const auto key = [this](std::uint32_t i) { return metadata_[i].key; };
  key_order_ = sorted_by_name(metadata_.size(), key);
  if (const auto twin = find_duplicate(key_order_, key))
    throw Error(ErrorCode::duplicate, path() + ": key " + quote(key(*twin)) + " stands twice");
}

void ModelFile::set_tensors(std::vector<GgufTensor> tensors) {
  tensors_ = std::move(tensors);
  const auto name = [this](std::uint32_t i) { return tensors_[i].name; };
  tensor_order_ = sorted_by_name(tensors_.size(), name);
  if (const auto twin = find_duplicate(tensor_order_, name))
    throw Error(ErrorCode::duplicate,
                files_[tensors_[*twin].file]->name() + ": tensor " + quote(name(*twin)) + " stands twice");
}

std::uint64_t ModelFile::bytes() const {
  std::uint64_t all = 0;
  for (const auto& file : files_) all += file->size();
  return all;
}

void ModelFile::release(const std::byte* begin, std::size_t bytes) const noexcept {
  for (const auto& file : files_) {
    const std::byte* const first = file->bytes().data();
    if (begin >= first && begin < first + file->size()) file->release(static_cast<std::size_t>(begin - first), bytes);
  }
}

HeldTensor ModelFile::hold(const GgufTensor& tensor) const {
  if (!tensor.view.empty() || !assembly_) return {tensor.view};
  HeldTensor held;
  held.memory = AlignedBuffer(tensor.view.bytes());
  assembly_->make(tensor, held.memory.data());
  held.view = ConstTensorView(held.memory.data(), tensor.view.dtype(), tensor.view.shape());
  return held;
}

const GgufValue* ModelFile::find(std::string_view key) const {
  const auto at = find_sorted(key_order_, key, [this](std::uint32_t i) { return metadata_[i].key; });
  return at ? &metadata_[*at].value : nullptr;
}

const GgufTensor* ModelFile::find_tensor(std::string_view name) const {
  const auto at = find_sorted(tensor_order_, name, [this](std::uint32_t i) { return tensors_[i].name; });
  return at ? &tensors_[*at] : nullptr;
}

const GgufTensor& ModelFile::get_tensor(std::string_view name) const {
  if (const GgufTensor* tensor = find_tensor(name)) return *tensor;
  throw Error(ErrorCode::missing_key, path() + ": tensor " + quote(name) + " is missing");
}

const GgufValue& ModelFile::require(std::string_view key) const {
  if (const GgufValue* value = find(key)) return *value;
  throw Error(ErrorCode::missing_key, path() + ": key " + quote(key) + " is missing");
}

const GgufValue& ModelFile::require_array(std::string_view key) const {
  const GgufValue& value = require(key);
  if (!value.is_array()) fail_type(key, value, "an array");
  return value;
}

void ModelFile::fail_type(std::string_view key, const GgufValue& value, std::string_view expected) const {
  fail_key(ErrorCode::wrong_type, key, "is of type " + value.type_name() + ", expected " + std::string(expected));
}

void ModelFile::fail_key(ErrorCode code, std::string_view key, const std::string& message) const {
  throw Error(code, path() + ": key " + quote(key) + ": " + message);
}

void ModelFile::fail_tensor(ErrorCode code, std::string_view name, const std::string& message) const {
  const GgufTensor* tensor = find_tensor(name);
  throw Error(code, files_[tensor ? tensor->file : 0]->name() + ": tensor " + quote(name) + ": " + message);
}

std::int64_t ModelFile::get_int(std::string_view key, std::int64_t min, std::int64_t max) const {
  const GgufValue& value = require(key);
  if (!is_integer(value.type())) fail_type(key, value, "an integer");
  const auto number = value.as_int();
  if (!number || *number < min || *number > max)
    fail_key(ErrorCode::bad_value, key,
             value.to_string() + " is outside [" + std::to_string(min) + ", " + std::to_string(max) + "]");
  return *number;
}

std::int64_t ModelFile::int_or(std::string_view key, std::int64_t fallback, std::int64_t min, std::int64_t max) const {
  return find(key) ? get_int(key, min, max) : fallback;
}

float ModelFile::get_float(std::string_view key) const {
  const GgufValue& value = require(key);
  const auto number = value.as_float();
  if (!number) fail_type(key, value, "f32 or f64");
  if (!std::isfinite(static_cast<float>(*number)))
    fail_key(ErrorCode::bad_value, key, value.to_string() + " is not a finite f32");
  return static_cast<float>(*number);
}

float ModelFile::float_or(std::string_view key, float fallback) const { return find(key) ? get_float(key) : fallback; }

bool ModelFile::get_bool(std::string_view key) const {
  const GgufValue& value = require(key);
  const auto flag = value.as_bool();
  if (!flag) fail_type(key, value, "bool");
  return *flag;
}

bool ModelFile::bool_or(std::string_view key, bool fallback) const { return find(key) ? get_bool(key) : fallback; }

std::string_view ModelFile::get_string(std::string_view key) const {
  const GgufValue& value = require(key);
  const auto text = value.as_string();
  if (!text) fail_type(key, value, "string");
  return *text;
}

std::string_view ModelFile::string_or(std::string_view key, std::string_view fallback) const {
  return find(key) ? get_string(key) : fallback;
}

std::uint64_t ModelFile::array_size(std::string_view key, std::optional<GgufType> element_type) const {
  const GgufValue& value = require_array(key);
  if (element_type && value.element_type() != *element_type)
    fail_type(key, value, "array of " + std::string(gguf_type_name(*element_type)));
  return value.size();
}

std::vector<std::string_view> ModelFile::get_strings(std::string_view key) const {
  const GgufValue& value = require_array(key);
  if (value.element_type() != GgufType::string) fail_type(key, value, "array of string");
  std::vector<std::string_view> strings;
  strings.reserve(value.size());  // the reader made sure that the file holds at least 8 bytes for each
  GgufElements elements(value);
  while (const auto element = elements.next()) strings.push_back(element->as_string().value_or(std::string_view()));
  return strings;
}

std::vector<float> ModelFile::get_floats(std::string_view key) const {
  const GgufValue& value = require_array(key);
  std::vector<float> floats;
  if (value.element_type() != GgufType::f32 && value.element_type() != GgufType::f64)
    fail_type(key, value, "array of f32 or f64");
  floats.reserve(value.size());
  if (value.element_type() == GgufType::f32)
    append_as<float, float>(floats, value.payload(), value.size());
  else
    append_as<float, double>(floats, value.payload(), value.size());
  return floats;
}

std::vector<std::int32_t> ModelFile::get_ints(std::string_view key) const {
  const GgufValue& value = require_array(key);
  if (!is_integer(value.element_type())) fail_type(key, value, "array of integers");
  std::vector<std::int32_t> ints;
  ints.reserve(value.size());
  GgufElements elements(value);
  while (const auto element = elements.next()) {
    const auto number = element->as_int();
    if (!number || !std::in_range<std::int32_t>(*number))
      fail_key(ErrorCode::overflow, key, "element " + element->to_string() + " does not fit 32 bits");
    ints.push_back(static_cast<std::int32_t>(*number));
  }
  return ints;
}

}  // namespace plumb
