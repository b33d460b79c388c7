#pragma once
/// @file
/// safetensors files: eight bytes that say how long the header is, the header (JSON), the bytes of the tensors.
/// Format and rules: github.com/huggingface/safetensors, README.md ("Format") and safetensors/src/tensor.rs.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/mapping.hpp"

namespace plumb::inline PLUMB_ABI {

/// What the elements of a tensor are, in the format's own list.
enum class SafeType { boolean, u8, i8, f8_e5m2, f8_e4m3, f8_e8m0, i16, u16, f16, bf16, i32, u32, f32, i64, u64, f64 };

/// The format's name: "BF16", "F8_E4M3".
std::string_view safe_type_name(SafeType type);
/// Bytes of one element.
std::size_t safe_type_bytes(SafeType type);

/// A tensor: where it stands in a mapped file.
struct SafeTensor {
  std::string name;
  SafeType type = SafeType::f32;
  std::vector<std::int64_t> shape;   ///< outermost first; empty for one number
  std::span<const std::byte> bytes;  ///< in rows, without gaps; at any address
  std::size_t file = 0;              ///< which of Safetensors::files()
};

/// The tensors of one file, or of all shards of a model. Cheap to copy; copies share the mapped files.
class Safetensors {
 public:
  /// One file. @throws Error{io}; Error{truncated} where the file is shorter than it says; Error{bad_value} for a
  /// header that is too long (100 MB are the format's limit), no JSON object, or has fields that it must not have;
  /// Error{missing_key, wrong_type} for a tensor's fields; Error{bad_shape} where shape and bytes disagree;
  /// Error{bad_offset} for gaps, overlaps and bytes that belong to no tensor; Error{duplicate}; Error{overflow};
  /// Error{unsupported_type} for a type that the format does not have.
  static Safetensors open(const std::filesystem::path& path, FileMapping::Mode mode = FileMapping::Mode::map);
  /// The same for bytes that are in memory already.
  static Safetensors from_mapping(std::shared_ptr<const FileMapping> mapping);
  /// All shards that an index names (`model.safetensors.index.json`), which stand beside it.
  /// @throws as open, and of the index Error{bad_value, missing_key, wrong_type, duplicate}: a shard that is no plain
  /// file name, a tensor that is not in the shard that the index says, or in two of them.
  static Safetensors open_index(const std::filesystem::path& index, FileMapping::Mode mode = FileMapping::Mode::map);
  /// The weights of a folder: its index if it has one, else its model.safetensors. So too where the index names files
  /// that are not there, as it does when shards were joined and it was left behind.
  /// @throws Error{io} for a folder with neither.
  static Safetensors open_folder(const std::filesystem::path& folder, FileMapping::Mode mode = FileMapping::Mode::map);
  /// Whether a folder has weights that open_folder would look at.
  static bool in_folder(const std::filesystem::path& folder);

  /// Takes over the tensors of others under names with `prefix` in front. @throws Error{duplicate}.
  void merge(const Safetensors& others, const std::string& prefix);

  /// By name.
  std::span<const SafeTensor> tensors() const { return tensors_; }
  /// nullptr when absent.
  const SafeTensor* find(std::string_view name) const;
  std::span<const std::shared_ptr<const FileMapping>> files() const { return files_; }
  /// The path of the file, or of the index, for messages.
  const std::string& path() const { return path_; }

 private:
  struct Index;
  static Safetensors of_index(const Index& index, FileMapping::Mode mode);
  /// Reads the header of one more file.
  void add(std::shared_ptr<const FileMapping> mapping);
  /// Puts the tensors in order. @throws Error{duplicate}.
  void finish();

  std::string path_;
  std::vector<std::shared_ptr<const FileMapping>> files_;
  std::vector<SafeTensor> tensors_;
};

}  // namespace plumb
