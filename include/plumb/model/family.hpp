#pragma once
/// @file
/// Families of models: who reads which keys, what their files call tensors, how these are laid out. A family is one
/// file under src/families; nothing else in plumb knows names of files. Whether a model runs is not decided here but by
/// its blocks (check_runnable).

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// The spec that the keys and tensors of a model file describe. It has passed check_spec.
/// @throws Error{unsupported_architecture} naming an unknown `general.architecture` and those that are known;
/// {missing_key, wrong_type} for absent or mistyped keys; {bad_value} for numbers that make no sense;
/// {unsupported_type} for features that are known by key but not described.
PLUMB_API ModelSpec spec_from_file(const ModelFile& file);

/// The spec of a Hugging Face `config.json`. `where` stands for the file in messages. It has passed check_spec.
/// @throws Error{bad_value, duplicate, missing_key, wrong_type, unsupported_architecture} naming the field, what was
/// found and what was expected.
PLUMB_API ModelSpec spec_from_json(std::string_view text, std::string_view where);
/// The same from a file. @throws as above, and Error{io, truncated}.
PLUMB_API ModelSpec spec_from_json_file(const std::filesystem::path& path);
/// What of a `config.json` is no part of the spec, a sentence each: towers for pictures and sounds. @throws as
/// spec_from_json_file.
PLUMB_API std::vector<std::string> left_out_of_json_file(const std::filesystem::path& path);

/// Sets `general.architecture` and the keys of the spec's family, which spec_from_file reads back as an equal spec.
/// @throws Error{unsupported_architecture} for a spec whose family has no such keys, naming the layer and the feature.
PLUMB_API void write_spec(GgufWriter& writer, const ModelSpec& spec);

/// What files of the spec's family call a tensor: "blk.3.attn_q.weight".
PLUMB_API std::string tensor_name(const ModelSpec& spec, const TensorId& id);

/// A tensor that the spec's family holds in one with others when it writes files: the name of the whole, and the role
/// of its first part. The parts follow each other in the order of their roles. Nothing for a tensor of its own.
struct FusedTensor {
  std::string name;
  TensorRole first;
};
std::optional<FusedTensor> fused_tensor(const ModelSpec& spec, const TensorSpec& tensor);

/// What files that we write call the tensor, or the one that they hold it in; the usual name where the spec is of no
/// family.
std::string name_in_file(const ModelSpec& spec, const TensorSpec& tensor);

/// A tensor of the spec in a file: by its name, as a part of a fused one, or in parts. Nothing where it is absent
/// or has another form: see make_tensor.
/// @throws Error{missing_key, bad_shape, wrong_type} for tensors that hold others and disagree with the spec.
PLUMB_API std::optional<ops::StoredTensor> find_tensor(const ModelFile& file, const ModelSpec& spec,
                                                       const TensorSpec& tensor);

/// A tensor that a file does not have as it is needed, and its memory.
struct MadeTensor {
  AlignedBuffer memory;
  ConstTensorView view;
  /// Writes the memory, on all threads; empty where that is done already. The file must live till then.
  std::function<void(std::byte* out)> fill = {};
};
/// A tensor of the spec made of those that have its weights in another order, or in another type. Nothing where there
/// are none. @throws Error{bad_shape, unsupported_type, out_of_memory}.
std::optional<MadeTensor> make_tensor(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor);
/// The type in which find_tensor or make_tensor has a tensor. Nothing where it is absent.
std::optional<DType> found_type(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor);

/// What stands in a file and no pass reads, a sentence for each kind of it: layers that predict further tokens ahead,
/// tensors that have no role in the spec. For a file whose tensors have been bound or asked for their types.
PLUMB_API std::vector<std::string> left_out(const ModelFile& file, const ModelSpec& spec);

/// A family, for listings.
struct FamilyInfo {
  std::string_view architecture;              ///< GGUF `general.architecture`
  std::vector<std::string_view> model_types;  ///< config.json `model_type`
  /// A `model_type` of another family, and the field with which it means this one.
  std::vector<std::pair<std::string_view, std::string_view>> shared_types;
  std::string_view models;  ///< which models these are: "Llama 1 to 3.2, Mistral, ..."
};
/// All of them, by architecture.
PLUMB_API std::vector<FamilyInfo> families();

}  // namespace plumb
