#pragma once
/// @file
/// A model file as the loader sees it, whatever its format: named metadata values and named tensors.
/// GGUF files have both; readers of other formats translate into the same keys and tensor names.

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/error.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/io/gguf_value.hpp"
#include "plumb/io/mapping.hpp"

namespace plumb::inline PLUMB_ABI {

/// One metadata entry. The key points into the file.
struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

/// One tensor of a model file. Name and data point into the file.
struct GgufTensor {
  std::string_view name;
  /// Shape outermost first: a weight matrix is [rows, cols]. Without data where the tensor has to be made of others:
  /// see ModelFile::hold.
  ConstTensorView view;
  std::uint64_t offset = 0;  ///< of the first byte, from the start of the file
  std::size_t file = 0;      ///< which of ModelFile::files()
};

/// What a model is put together by whose files hold the tensors in another way than GGUF files do: as parts of others,
/// in another order or type. Immutable.
class Assembly {
 public:
  virtual ~Assembly() = default;
  /// Where the files stand, and with them a tokenizer and chat templates.
  virtual const std::filesystem::path& folder() const = 0;
  /// Writes the `view.bytes()` bytes of one of the file's tensors. On all threads.
  virtual void make(const GgufTensor& tensor, std::byte* out) const = 0;
  /// Gives back the pages that the tensor is made of.
  virtual void release(const GgufTensor& tensor) const noexcept = 0;
  /// @throws Error{unsupported_architecture} where GGUF files have no keys for what the model is.
  virtual void check_writable() const = 0;
};

/// A tensor with its data: in the file, or in memory of its own.
struct HeldTensor {
  ConstTensorView view;
  AlignedBuffer memory = {};
};

/// Metadata and tensors of an opened model file. Cheap to copy; all copies share the mapped files and keep them alive.
///
/// The typed getters throw Error{missing_key} when the key is absent and Error{wrong_type} when the value has another
/// type; both name file and key. The `_or` forms answer `fallback` when the key is absent, and throw as the others do
/// when it is present but wrong.
class PLUMB_API ModelFile {
 public:
  /// The path, fit for messages; of a model in several files that of the first, or of their folder.
  const std::string& path() const { return name_.empty() ? files_.front()->name() : name_; }
  /// "GGUF v3", "llama2.c", "safetensors".
  const std::string& format() const { return format_; }
  /// How the tensors are put together, or null where the files hold them as they are.
  const Assembly* assembly() const { return assembly_.get(); }
  /// One of the tensors with its data. @throws Error{out_of_memory}.
  HeldTensor hold(const GgufTensor& tensor) const;
  /// What the tensors stand in: one file, or all parts of a split model in their order.
  std::span<const std::shared_ptr<const FileMapping>> files() const { return files_; }
  /// Bytes of all files.
  std::uint64_t bytes() const;
  /// Gives the memory of these bytes of a tensor back to the system (FileMapping::release). Nothing for other bytes.
  void release(const std::byte* begin, std::size_t bytes) const noexcept;

  /// All metadata in file order.
  std::span<const GgufEntry> metadata() const { return metadata_; }
  /// All tensors in file order.
  std::span<const GgufTensor> tensors() const { return tensors_; }
  /// nullptr when absent.
  const GgufValue* find(std::string_view key) const;
  const GgufTensor* find_tensor(std::string_view name) const;
  /// @throws Error{missing_key} naming file and tensor.
  const GgufTensor& get_tensor(std::string_view name) const;

  /// An integer of any width. @throws Error{bad_value} when it is outside [min, max].
  std::int64_t get_int(std::string_view key, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                       std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  std::int64_t int_or(std::string_view key, std::int64_t fallback,
                      std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                      std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  /// f32 or f64. @throws Error{bad_value} when it is NaN, infinite or beyond f32.
  float get_float(std::string_view key) const;
  float float_or(std::string_view key, float fallback) const;
  bool get_bool(std::string_view key) const;
  bool bool_or(std::string_view key, bool fallback) const;
  std::string_view get_string(std::string_view key) const;
  std::string_view string_or(std::string_view key, std::string_view fallback) const;

  /// Elements of an array. @throws Error{wrong_type} when the value is no array, or one of other elements than asked
  /// for.
  std::uint64_t array_size(std::string_view key, std::optional<GgufType> element_type = std::nullopt) const;
  /// Array of strings, which point into the file.
  std::vector<std::string_view> get_strings(std::string_view key) const;
  /// Array of f32 or f64, as stored: NaN and infinity are the caller's to judge.
  std::vector<float> get_floats(std::string_view key) const;
  /// Array of any integer type. @throws Error{overflow} for elements beyond 32 bits.
  std::vector<std::int32_t> get_ints(std::string_view key) const;

  /// Throws Error(code) with "path: key 'key': message", for checks that the caller makes on a value it read.
  [[noreturn]] void fail_key(ErrorCode code, std::string_view key, const std::string& message) const;
  /// The same for a tensor, with the path of the file that it stands in: "path: tensor 'name': message".
  [[noreturn]] void fail_tensor(ErrorCode code, std::string_view name, const std::string& message) const;

 protected:
  ModelFile(std::shared_ptr<const FileMapping> mapping, std::string format) : format_(std::move(format)) {
    files_.push_back(std::move(mapping));
  }
  void set_format(std::string format) { format_ = std::move(format); }
  void set_name(std::string name) { name_ = std::move(name); }
  void set_assembly(std::shared_ptr<const Assembly> assembly) { assembly_ = std::move(assembly); }
  /// Another part, whose tensors are not yet among the others.
  void add_file(std::shared_ptr<const FileMapping> mapping) { files_.push_back(std::move(mapping)); }
  /// Take over the tables and index them. @throws Error{duplicate} naming the key or tensor.
  void set_metadata(std::vector<GgufEntry> metadata);
  void set_tensors(std::vector<GgufTensor> tensors);
  /// Memory that keys, values or names point to when it is not the mapped file.
  void keep_alive(std::shared_ptr<const void> owner) { owner_ = std::move(owner); }

 private:
  const GgufValue& require(std::string_view key) const;
  const GgufValue& require_array(std::string_view key) const;
  [[noreturn]] void fail_type(std::string_view key, const GgufValue& value, std::string_view expected) const;

  std::vector<std::shared_ptr<const FileMapping>> files_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const Assembly> assembly_;
  std::string name_, format_;
  std::vector<GgufEntry> metadata_;
  std::vector<GgufTensor> tensors_;
  // Positions sorted by name; a look-up is a binary search. Sorting, unlike hashing, cannot be made slow by names
  // chosen to collide, and costs four bytes per name.
  std::vector<std::uint32_t> key_order_, tensor_order_;
};

}  // namespace plumb
