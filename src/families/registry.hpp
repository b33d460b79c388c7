#pragma once
/// The families that plumb knows, and what a family is.

#include <span>
#include <string>
#include <string_view>

#include "keys.hpp"
#include "layout.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/tensor_id.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// A config.json field that a model type calls otherwise than most do. `own` is empty where it has no such field.
struct Alias {
  std::string_view usual, own;
};

/// One `model_type` of config.json.
struct ModelType {
  std::string_view name;
  /// What the configuration class of transformers fills in for absent fields, as JSON. A null in the file stays null.
  std::string_view defaults = "{}";
  std::span<const Alias> aliases = {};
  /// The model_type of the object `text_config`, which is the model; empty: the file itself is.
  std::string_view text_part = {};
  /// Of two rows with one name, that with such a field is meant where the file has it, and true or above 0.
  std::string_view only_with = {};
};

/// A tensor that the family's GGUF files call otherwise than most do.
struct RoleName {
  TensorRole role;
  std::string_view gguf;
  bool bare = false;  ///< no ".weight" follows
};

/// Tensors that the family's GGUF files hold as one, stacked by rows. Files are read with and without; those that we
/// write are for other readers too, and these ask for the family's own layout.
struct Fused {
  bool qkv = false;      ///< q, k and v as `attn_qkv`
  bool gate_up = false;  ///< the gate and up of a dense block under the name of up
};

/// A family: one architecture of GGUF files and the model types that convert to it.
struct Family {
  std::string_view architecture;
  std::string_view models;  ///< for listings
  ModelSpec (*read)(const Keys& keys) = nullptr;
  std::span<const ModelType> types = {};
  /// Keys beyond those that follow from any spec (write.cpp).
  void (*write)(GgufWriter& writer, const ModelSpec& spec) = nullptr;
  std::span<const RoleName> names = {};
  /// What a tensor of this spec is called, where that hangs on the spec; empty for other tensors.
  std::string_view (*name_in)(const ModelSpec& spec, const TensorId& id) = nullptr;
  Fused fused = {};
  Folder folder = {};
};

/// All of them, by architecture.
std::span<const Family> all_families();
/// nullptr when there is none.
const Family* find_family(std::string_view architecture);
/// The families that stand in one file each.
std::span<const Family> llama_families();
std::span<const Family> qwen_families();
std::span<const Family> qwen_next_families();
std::span<const Family> lfm_families();
std::span<const Family> gemma_families();
std::span<const Family> gemma4_families();
std::span<const Family> gpt_families();
std::span<const Family> bert_families();
std::span<const Family> phi_families();
std::span<const Family> granite_families();
std::span<const Family> deepseek_families();
std::span<const Family> cohere_families();
std::span<const Family> falcon_families();
std::span<const Family> gpt_oss_families();
std::span<const Family> llama_kin_families();
std::span<const Family> mpt_families();
std::span<const Family> nemotron_families();
std::span<const Family> olmo_families();
std::span<const Family> stablelm_families();
std::span<const Family> afmoe_families();
std::span<const Family> apertus_families();
std::span<const Family> bailing_families();
std::span<const Family> bitnet_families();
std::span<const Family> dots_families();
std::span<const Family> ernie_families();
std::span<const Family> exaone_families();
std::span<const Family> glm_families();
std::span<const Family> hunyuan_families();
std::span<const Family> kimi_families();
std::span<const Family> llama4_families();
std::span<const Family> mamba_families();
std::span<const Family> mimo_families();
std::span<const Family> minimax_families();
std::span<const Family> mistral_families();
std::span<const Family> rwkv_families();
std::span<const Family> smallthinker_families();
std::span<const Family> step_families();

/// The tensor of the file that make_tensor would make this one of; nullptr where there is none. @throws as make_tensor.
const GgufTensor* made_from(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor);

/// What the family's GGUF files call a tensor, whatever the spec.
std::string usual_name(const Family& family, const TensorId& id);
/// What those with this spec call it.
std::string name_in(const Family& family, const ModelSpec& spec, const TensorId& id);
/// "blk.3.attn_qkv.weight".
std::string fused_name(std::string_view base, int layer, bool bias);

}  // namespace plumb::family
