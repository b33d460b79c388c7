#pragma once
/// A Hugging Face folder as a model: the spec of its config.json, and where in its safetensors the tensors of the spec
/// are, or how they are made.

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "config.hpp"
#include "elements.hpp"
#include "layout.hpp"
#include "packing.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/io/safetensors.hpp"
#include "plumb/model/family.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// A tensor of the spec in a folder.
struct Assembled {
  DType type = DType::f32;
  Shape shape;
  /// Where it is stored: one place for all rows, or one for each matrix of a stack. None: it has to be made.
  std::vector<const std::byte*> stored;
  /// Writes these rows (RowShape), without gaps. Of stored tensors too.
  std::function<void(Range rows, std::byte* out)> write;
  RowShape rows;
  /// What it is made of, to be given back when it has been.
  std::vector<std::span<const std::byte>> sources;

  std::size_t row_bytes() const { return plumb::row_bytes(type, rows.cols); }
  std::size_t bytes() const { return static_cast<std::size_t>(rows.all_rows()) * row_bytes(); }
  /// Writes all rows, on all threads.
  void write_all(std::byte* out) const;
};

/// The tensors of a folder by the names of its family. Names are looked up without what stands before the layers, which
/// differs with the class of the model that was saved: "model.", "transformer.", "model.language_model.".
class FolderIndex final : public FolderTensors {
 public:
  FolderIndex(const Safetensors& weights, const Packing& packing, std::string where);

  const SafeTensor* find(const std::string& name) const;
  /// Whether there is a tensor of this name, or the parts of one that is packed.
  bool has(const std::string& name) const override;
  std::optional<float> number(const std::string& name) const override;
  std::optional<std::int64_t> rows(const std::string& name) const override;
  /// The numbers of a tensor that is there. @throws as elements_of, mxfp4_of and packed_of; Error{missing_key}.
  Elements read(const std::string& name) const;
  /// The numbers that `number` was asked for.
  const std::set<const SafeTensor*>& numbers() const { return numbers_; }
  const std::string& where() const { return where_; }
  /// "FOLDER: tensor 'model.layers.0.mlp.up_proj.weight'", for messages; also of one that is absent.
  std::string named(const std::string& name) const;

 private:
  const SafeTensor& part(const std::string& name, const SafeTensor& beside) const;

  const Safetensors& weights_;
  Packing packing_;
  std::string where_, prefix_;  // what stands before the names of the model's tensors
  mutable std::set<const SafeTensor*> numbers_;
  std::map<std::string, const SafeTensor*, std::less<>> by_name_;
};

/// Finds one tensor of the spec. @throws Error{missing_key, bad_shape, unsupported_type, wrong_type}.
Assembled assemble(const FolderIndex& index, const Config& config, const ModelSpec& spec, const TensorSpec& tensor);

/// The same for a tensor that may be absent.
std::optional<Assembled> assemble_if_there(const FolderIndex& index, const Config& config, const ModelSpec& spec,
                                           const TensorSpec& tensor);

/// Factors of a rotation that config.json describes and GGUF files have as a tensor; nothing for other tensors.
std::optional<std::vector<float>> rope_factors_of(const Config& config, const ModelSpec& spec,
                                                  const TensorSpec& tensor);

/// All of a folder.
class FolderAssembly final : public Assembly {
 public:
  FolderAssembly(const std::filesystem::path& folder, FileMapping::Mode mode);

  const ModelSpec& spec() const { return spec_; }
  const std::filesystem::path& folder() const override { return folder_; }
  const std::string& where() const { return where_; }
  const Safetensors& weights() const { return weights_; }
  /// nullptr when the spec has no such tensor.
  const Assembled* find(const TensorId& id) const;
  /// Sentences about tensors that nothing is made of.
  const std::vector<std::string>& left_out() const { return left_out_; }
  /// The tensors as GGUF files of the family hold them. Names point into the assembly.
  std::vector<GgufTensor> tensors() const;
  /// Keys of the GGUF file, as far as there are keys.
  const GgufWriter& keys() const { return keys_; }

  void make(const GgufTensor& tensor, std::byte* out) const override;
  void release(const GgufTensor& tensor) const noexcept override;
  /// The same of what one of our tensors is made of.
  void release(const Assembled& tensor) const noexcept;
  void check_writable() const override;

 private:
  /// A tensor of a GGUF file: one of ours, or several one below the other.
  struct Written {
    std::string name;
    std::vector<const Assembled*> parts;
    DType type = DType::f32;
    Shape shape;
  };
  struct Order {
    bool operator()(const TensorId& a, const TensorId& b) const {
      return std::tie(a.layer, a.role, a.bias) < std::tie(b.layer, b.role, b.bias);
    }
  };
  void note_left_out(const FolderIndex& index);
  void lay_out();
  const Written& written(std::string_view name) const;

  std::filesystem::path folder_;
  std::string where_;
  Safetensors weights_;
  ModelSpec spec_;
  std::map<TensorId, Assembled, Order> tensors_;
  std::vector<Written> written_;
  std::map<std::string_view, std::size_t> written_by_name_;
  std::vector<std::string> left_out_;
  GgufWriter keys_;
  std::optional<Error> unwritable_;
};

/// The folder that a model file is, or nullptr.
const FolderAssembly* folder_of(const ModelFile& file);

}  // namespace plumb::family
