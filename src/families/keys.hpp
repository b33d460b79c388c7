#pragma once
/// What a model says of itself, in either of two worlds: the metadata and tensors of a GGUF file, or a config.json. A
/// family reads each field once and names it twice, so that both worlds give the same spec.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../io/json_reader.hpp"
#include "plumb/blocks/check.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/io/tensor_id.hpp"

namespace plumb::inline PLUMB_ABI::family {

struct Family;
struct ModelType;

/// One field by its name in both worlds: the GGUF key without the architecture's prefix, the config.json key. An empty
/// name: that world does not have it.
struct Field {
  std::string_view gguf, json;
  bool whole = false;  ///< the GGUF key stands without the architecture's prefix
};

/// Rows of the tensor of a name; nothing where there is none.
using TensorRows = std::function<std::optional<std::int64_t>(const std::string& name)>;

/// Typed access to the fields. Errors are plumb::Error, name file and field, what was found and what was expected:
/// missing_key, wrong_type, bad_value.
class Keys {
 public:
  /// Of a GGUF file. `tensors`: those that stand in it, or are going to.
  Keys(const ModelFile& file, const Family& family, TensorRows tensors);
  /// Of a config.json whose absent fields are filled in already.
  Keys(const JsonFields& json, const ModelType& type);

  bool is_gguf() const { return file_ != nullptr; }
  /// The file, for messages about the whole spec.
  const std::string& where() const;

  bool has(const Field& field) const;
  /// An integer from 1 to `high`. A config.json may have an array of equal ones, one for each layer.
  int count(const Field& field, int high) const;
  int count_or(const Field& field, int fallback, int high) const;
  /// An integer from 0 to `high`.
  int natural_or(const Field& field, int fallback, int high) const;
  /// One number for all layers, or an array with one for each.
  std::vector<int> per_layer(const Field& field, int layers, int high, int low = 1) const;
  /// Whether the field holds an array.
  bool is_array(const Field& field) const;
  /// The same for numbers of any kind; absent or null: `fallback`. An array of a config.json may be longer or shorter.
  std::vector<float> reals_per_layer(const Field& field, float fallback, int layers) const;
  /// A finite number that fits a float; of an array of them (config.json) the first.
  float real(const Field& field) const;
  float real_or(const Field& field, float fallback) const;
  bool flag_or(const Field& field, bool fallback) const;
  std::string text_or(const Field& field, std::string_view fallback) const;
  /// An array of true and false, or 1 and 0 (GGUF), one for each layer; nothing where it is absent, or a number.
  std::optional<std::vector<bool>> flags(const Field& field, int layers) const;
  /// An array of strings (config.json); empty where it is absent.
  std::vector<std::string> texts(const Field& field) const;
  /// An array of integers; empty where it is absent.
  std::vector<int> numbers(const Field& field) const;
  /// An array of numbers (config.json); empty where it is absent.
  std::vector<double> reals(const Field& field) const;
  /// Whether the field is a string, a number (config.json).
  bool is_text(const Field& field) const;
  bool is_number(const Field& field) const;

  /// Fields of a nested object come first, then this object's (config.json). Itself where there is none, and for GGUF.
  Keys within(std::string_view object) const;
  /// The fields of a nested object alone (config.json); nothing where there is none, and for GGUF.
  std::optional<Keys> object(std::string_view name) const;
  /// Whether a nested object exists (config.json).
  bool has_object(std::string_view object) const;

  /// Whether the tensor is there (GGUF). Always false for a config.json, which tells by its fields.
  bool tensor_exists(const TensorId& id) const { return rows_of(id).has_value(); }
  std::optional<std::int64_t> rows_of(const TensorId& id) const;
  /// The same for a tensor that stands for several roles: "attn_qkv".
  bool fused_exists(std::string_view base, int layer, bool bias) const;
  /// The same for a tensor that no role stands for, by its full name.
  bool named_exists(const std::string& name) const { return file_ && tensors_(name).has_value(); }
  /// Whether a tensor of this very name is there (GGUF).
  bool name_exists(const std::string& name) const { return file_ && tensors_(name).has_value(); }
  /// What the file calls a tensor.
  std::string name_of(const TensorId& id) const;

  /// Strings in an array of this key (GGUF, prefix included): tokens. Nothing where it is absent.
  std::optional<std::int64_t> strings_in(std::string_view full_key) const;

  /// Throws Error(code) about a field: "FILE: key 'llama.KEY': WHAT".
  [[noreturn]] void fail(ErrorCode code, const Field& field, const std::string& what) const;
  [[noreturn]] void fail_tensor(ErrorCode code, const TensorId& id, const std::string& what) const;

 private:
  std::string gguf_name(const Field& field) const;
  std::string json_name(const Field& field) const;
  /// The innermost object that has the field, or the innermost one.
  const JsonFields& scope_of(const std::string& name) const;
  int integer(const Field& field, int low, int high) const;
  float narrowed(const Field& field, double number) const;

  const ModelFile* file_ = nullptr;
  const Family* family_ = nullptr;
  TensorRows tensors_;
  const ModelType* type_ = nullptr;
  std::vector<JsonFields> scopes_;  // innermost first
};

}  // namespace plumb::family
