#include "keys.hpp"

#include <cmath>
#include <limits>
#include <utility>

#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {

Keys::Keys(const ModelFile& file, const Family& family, TensorRows tensors)
    : file_(&file), family_(&family), tensors_(std::move(tensors)) {}

Keys::Keys(const JsonFields& json, const ModelType& type) : type_(&type), scopes_{json} {}

const std::string& Keys::where() const { return file_ ? file_->path() : scopes_.back().where(); }

std::string Keys::gguf_name(const Field& field) const {
  return (field.whole ? "" : std::string(family_->architecture) + ".") + std::string(field.gguf);
}

std::string Keys::json_name(const Field& field) const {
  for (const Alias& alias : type_->aliases) {
    if (alias.usual != field.json) continue;
    if (alias.own.empty()) return {};
    // Newer files of such a type may use the usual name, in an inner object.
    for (const JsonFields& scope : scopes_) {
      if (scope.has(alias.own)) break;
      if (scope.has(alias.usual)) return std::string(alias.usual);
    }
    return std::string(alias.own);
  }
  return std::string(field.json);
}

const JsonFields& Keys::scope_of(const std::string& name) const {
  for (const JsonFields& scope : scopes_)
    if (scope.has(name)) return scope;
  return scopes_.front();
}

bool Keys::has(const Field& field) const {
  if (file_) return !field.gguf.empty() && file_->find(gguf_name(field)) != nullptr;
  const std::string name = field.json.empty() ? std::string() : json_name(field);
  return !name.empty() && scope_of(name).has(name);
}

int Keys::integer(const Field& field, int low, int high) const {
  if (file_) return static_cast<int>(file_->get_int(gguf_name(field), low, high));
  const std::string name = json_name(field);
  const std::vector<int> all = scope_of(name).is_array(name) ? numbers(field) : std::vector<int>{};
  if (all.empty()) return scope_of(name).get_int(name, low, high);
  for (const int number : all) {
    if (number != all.front())
      fail(ErrorCode::bad_value, field, "holds different numbers, expected the same for all layers");
    if (number < low || number > high)
      fail(ErrorCode::bad_value, field,
           "holds " + std::to_string(number) + ", expected " + std::to_string(low) + " to " + std::to_string(high));
  }
  return all.front();
}

int Keys::count(const Field& field, int high) const { return integer(field, 1, high); }

int Keys::count_or(const Field& field, int fallback, int high) const {
  return has(field) ? count(field, high) : fallback;
}

int Keys::natural_or(const Field& field, int fallback, int high) const {
  return has(field) ? integer(field, 0, high) : fallback;
}

std::vector<int> Keys::per_layer(const Field& field, int layers, int high, int low) const {
  const auto n = static_cast<std::size_t>(layers);
  if (!is_array(field)) return std::vector<int>(n, count(field, high));
  std::vector<int> numbers;
  for (const std::int32_t number : file_ ? file_->get_ints(gguf_name(field)) : this->numbers(field)) {
    if (number < low || number > high)
      fail(ErrorCode::bad_value, field,
           std::to_string(number) + ", expected " + std::to_string(low) + " to " + std::to_string(high));
    numbers.push_back(number);
  }
  if (numbers.size() != n)
    fail(ErrorCode::bad_value, field,
         std::to_string(numbers.size()) + " numbers for " + std::to_string(layers) + " layers");
  return numbers;
}

bool Keys::is_array(const Field& field) const {
  if (!has(field)) return false;
  if (file_) return file_->find(gguf_name(field))->is_array();
  const std::string name = json_name(field);
  return scope_of(name).is_array(name);
}

float Keys::real(const Field& field) const {
  if (file_) return file_->get_float(gguf_name(field));
  const std::string name = json_name(field);
  const JsonFields& scope = scope_of(name);
  if (!scope.is_array(name)) return narrowed(field, scope.get_number(name));
  const std::vector<double> numbers = scope.numbers_or_empty(name);
  if (numbers.empty()) fail(ErrorCode::bad_value, field, "is an array without a number");
  return narrowed(field, numbers.front());
}

float Keys::narrowed(const Field& field, double number) const {
  if (std::abs(number) > static_cast<double>(std::numeric_limits<float>::max()))
    fail(ErrorCode::bad_value, field, "is beyond the range of a float");
  return static_cast<float>(number);
}

std::vector<float> Keys::reals_per_layer(const Field& field, float fallback, int layers) const {
  const auto n = static_cast<std::size_t>(layers);
  if (!has(field)) return std::vector<float>(n, fallback);
  if (!file_) {
    const std::string name = json_name(field);
    std::vector<float> all;
    for (const double number : scope_of(name).numbers_or_empty(name, static_cast<double>(fallback)))
      all.push_back(narrowed(field, number));
    all.resize(n, fallback);
    return all;
  }
  const std::string name = gguf_name(field);
  if (!file_->find(name)->is_array()) return std::vector<float>(n, file_->get_float(name));
  std::vector<float> all = file_->get_floats(name);
  if (all.size() != n)
    fail(ErrorCode::bad_value, field,
         std::to_string(all.size()) + " numbers for " + std::to_string(layers) + " layers");
  for (const float number : all)
    if (!std::isfinite(number)) fail(ErrorCode::bad_value, field, "holds a number that is not finite");
  return all;
}

float Keys::real_or(const Field& field, float fallback) const { return has(field) ? real(field) : fallback; }

bool Keys::flag_or(const Field& field, bool fallback) const {
  if (!has(field)) return fallback;
  if (file_) return file_->get_bool(gguf_name(field));
  const std::string name = json_name(field);
  return scope_of(name).bool_or(name, fallback);
}

std::string Keys::text_or(const Field& field, std::string_view fallback) const {
  if (!has(field)) return std::string(fallback);
  if (file_) return std::string(file_->get_string(gguf_name(field)));
  const std::string name = json_name(field);
  return scope_of(name).get_string(name);
}

std::optional<std::vector<bool>> Keys::flags(const Field& field, int layers) const {
  if (!file_ || !has(field)) return std::nullopt;
  const GgufValue& value = *file_->find(gguf_name(field));
  if (!value.is_array()) return std::nullopt;
  const bool numbers = value.element_type() == GgufType::i32 || value.element_type() == GgufType::u32;
  if (value.element_type() != GgufType::boolean && !numbers)
    fail(ErrorCode::wrong_type, field, "is an " + value.type_name() + ", expected an array of bool, or a number");
  if (value.size() != static_cast<std::uint64_t>(layers))
    fail(ErrorCode::bad_value, field,
         std::to_string(value.size()) + " flags for " + std::to_string(layers) + " layers");
  std::vector<bool> all;
  if (numbers) {
    for (const std::int32_t number : file_->get_ints(gguf_name(field))) {
      if (number != 0 && number != 1)
        fail(ErrorCode::bad_value, field, "holds " + std::to_string(number) + ", expected 0 and 1");
      all.push_back(number == 1);
    }
    return all;
  }
  GgufElements elements(value);
  while (const auto element = elements.next()) all.push_back(element->as_bool().value_or(false));
  return all;
}

std::vector<std::string> Keys::texts(const Field& field) const {
  if (!has(field)) return {};
  const std::string name = json_name(field);
  return scope_of(name).strings_or_empty(name);
}

std::vector<int> Keys::numbers(const Field& field) const {
  std::vector<int> all;
  if (!has(field)) return all;
  if (file_) {
    const auto found = file_->get_ints(gguf_name(field));
    all.assign(found.begin(), found.end());
    return all;
  }
  const std::string name = json_name(field);
  for (const double number : reals(field)) {
    if (number != std::floor(number) || std::abs(number) > SpecLimits::kContext)
      fail(ErrorCode::bad_value, field, "holds a number that is no integer, or too large a one");
    all.push_back(static_cast<int>(number));
  }
  return all;
}

std::vector<double> Keys::reals(const Field& field) const {
  if (!has(field)) return {};
  const std::string name = json_name(field);
  return scope_of(name).numbers_or_empty(name);
}

bool Keys::is_text(const Field& field) const {
  if (file_ || !has(field)) return false;
  const std::string name = json_name(field);
  return scope_of(name).is_text(name);
}

bool Keys::is_number(const Field& field) const {
  if (file_ || !has(field)) return false;
  const std::string name = json_name(field);
  return scope_of(name).is_number(name);
}

Keys Keys::within(std::string_view object) const {
  Keys inner = *this;
  if (file_) return inner;
  if (auto fields = scopes_.front().object(object)) inner.scopes_.insert(inner.scopes_.begin(), std::move(*fields));
  return inner;
}

std::optional<Keys> Keys::object(std::string_view name) const {
  if (file_) return std::nullopt;
  const auto fields = scopes_.front().object(name);
  if (!fields) return std::nullopt;
  return Keys(*fields, *type_);
}

bool Keys::has_object(std::string_view object) const { return !file_ && scopes_.front().object(object).has_value(); }

std::string Keys::name_of(const TensorId& id) const { return usual_name(*family_, id); }

std::optional<std::int64_t> Keys::rows_of(const TensorId& id) const {
  if (!file_) return std::nullopt;
  return tensors_(name_of(id));
}

bool Keys::fused_exists(std::string_view base, int layer, bool bias) const {
  return file_ && tensors_(fused_name(base, layer, bias)).has_value();
}

std::optional<std::int64_t> Keys::strings_in(std::string_view full_key) const {
  if (!file_ || !file_->find(full_key)) return std::nullopt;
  return static_cast<std::int64_t>(file_->array_size(full_key, GgufType::string));
}

void Keys::fail(ErrorCode code, const Field& field, const std::string& what) const {
  if (file_) file_->fail_key(code, gguf_name(field), what);
  const std::string name = json_name(field);
  scope_of(name).fail(code, name, what);
}

void Keys::fail_tensor(ErrorCode code, const TensorId& id, const std::string& what) const {
  file_->fail_tensor(code, name_of(id), what);
}

}  // namespace plumb::family
