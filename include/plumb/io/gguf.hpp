#pragma once
/// @file
/// GGUF files, versions 2 and 3, little-endian. Layout: GGUF specification (ggml project, docs/gguf.md).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "plumb/io/model_file.hpp"

namespace plumb::inline PLUMB_ABI {

/// First four bytes of every GGUF file: "GGUF", read as a little-endian number.
inline constexpr std::uint32_t kGgufMagic = 0x46554747;
/// Where tensors begin when `general.alignment` is absent.
inline constexpr std::uint32_t kGgufDefaultAlignment = 32;
/// Largest accepted `general.alignment`: 1 MiB, far above any page or cache line.
inline constexpr std::uint32_t kGgufMaxAlignment = 1u << 20;
/// Longest key or tensor name: the specification's limit for keys.
inline constexpr std::size_t kGgufMaxName = 65535;
/// Most keys and tensors of one file. Far beyond any model (the largest have some 45 000 tensors when every expert is
/// its own); they bound the tables that a hostile file can make the reader build.
inline constexpr std::uint64_t kGgufMaxKeys = 65536;
inline constexpr std::uint64_t kGgufMaxTensors = 262144;
/// Arrays inside arrays, counted from 1.
inline constexpr int kGgufMaxArrayDepth = 8;
/// Most parts of a split model: what the 16 bits of its keys can say.
inline constexpr std::uint32_t kGgufMaxParts = 65535;

/// How to open a GGUF file.
struct GgufOptions {
  FileMapping::Mode mode = FileMapping::Mode::map;
  /// Opens another part of a split model by the path beside the first; empty: from the file system.
  std::function<std::shared_ptr<const FileMapping>(const std::filesystem::path& path)> open_part = {};
};

/// An opened and fully checked GGUF file: every length, type, shape and offset is inside the file before open()
/// returns, no two tensors share bytes, no name stands twice.
///
/// A model may be split: NAME-00001-of-00003.gguf and two files more, which count themselves by the keys `split.no`
/// (from 0), `split.count` and `split.tensors.count` (of all parts). Opening the first opens them all. Metadata is that
/// of the first, tensors are those of all; every part is checked like a file of its own.
class GgufFile : public ModelFile {
 public:
  /// @throws Error{io, truncated, bad_magic, unsupported_version, big_endian, bad_value, wrong_type, bad_shape,
  /// bad_offset, duplicate, unsupported_type, overflow} naming file and field; {invalid_argument} for a part that is
  /// not the first, naming the first; {missing_key, bad_value} for parts that do not belong together.
  static GgufFile open(const std::filesystem::path& path, const GgufOptions& options = {});
  /// The same for a file, the first of its parts if there are more, that is mapped already.
  static GgufFile open(std::shared_ptr<const FileMapping> mapping, const GgufOptions& options = {});
  /// One file from memory of the caller, which must be 64-byte aligned and outlive the file and its copies.
  static GgufFile from_memory(std::span<const std::byte> bytes, std::string name = "memory");

  std::uint32_t version() const { return version_; }
  /// `general.alignment`, or 32. Every tensor's offset is a multiple of it.
  std::uint32_t alignment() const { return alignment_; }
  /// Where the tensors begin, from the start of the file (of the first).
  std::uint64_t data_offset() const { return data_offset_; }

 private:
  explicit GgufFile(std::shared_ptr<const FileMapping> mapping);
  void read_alignment();
  /// Opens the other parts, if there are any.
  void add_parts(const GgufOptions& options);

  std::uint32_t version_ = 0;
  std::uint32_t alignment_ = kGgufDefaultAlignment;
  std::uint64_t data_offset_ = 0;
};

}  // namespace plumb
