#pragma once
/// @file
/// Which tensor gets which type: the one place that says so, for files, random models, models that change type at load
/// and predictions alike. Quantized models mix types: the few tensors that hurt most get more bits.
///
/// Named recipes ("q4_k_m") are those that GGUF tools share, by the same names, so that a file made here has the same
/// type in every tensor as a file made elsewhere. Source of the tables: llama.cpp, src/llama-quant.cpp. As there,
/// "q3_k", "q4_k" and "q5_k" are short for the medium mix, and the head of "q4_0" has six bits. The rule "*=q4_0" is
/// one type throughout. Types that exist in memory only ("int4g64") are recipes too, of one type throughout.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/io/model_file.hpp"
#include "plumb/io/tensor_id.hpp"

namespace plumb::inline PLUMB_ABI {

/// What recipes ask of a model.
struct RecipeFacts {
  std::string architecture;
  int n_layers = 0;
  int group_size = 1;  ///< query heads for each key/value head of the first layer; 0 where it has none
  int n_experts = 0;
  bool tied_head = false;       ///< no `output.weight`: the embedding is the head
  bool has_importance = false;  ///< calibration data is at hand
  /// Layers that hold values (alone or among others) and such with a down projection, in order: mixes count in these.
  /// Empty: every layer does.
  std::vector<int> value_layers = {}, down_layers = {};

  /// Takes note of a tensor by its name in a file. Of one layer after another.
  void add(std::string_view tensor);
};

/// From metadata and tensor names. Absent keys leave the defaults; nothing is required, since any GGUF file of tensors
/// may be quantized. @throws Error{wrong_type, bad_value} for keys that are there but make no sense.
RecipeFacts recipe_facts(const ModelFile& file);

/// A recipe by name, or rules by tensor.
class PLUMB_API Recipe {
 public:
  /// "q4_k_m" or another name of names(), or rules: "ffn_down=q6_k,output=q8_0,*=q4_0". In a rule the left side is a
  /// role or a tensor name, with * and ? as wildcards, and the right side a type (exactly that type) or the name of a
  /// recipe that is no type ("*=q4_k_m"). The first rule that matches decides; a tensor that no rule matches keeps its
  /// type. Upper and lower case are the same. @throws Error{invalid_argument} naming what is not understood.
  static Recipe parse(std::string_view text);

  /// All named recipes, in lower case: those that files can hold first.
  static std::vector<std::string_view> names();
  /// Those that files can hold.
  static std::vector<std::string_view> file_names();

  /// The type this recipe wants for a tensor of type `from`, whether or not its rows divide by the type's block (see
  /// fitting_type): `from` itself for tensors that are never quantized (norms, biases, routers, positions).
  DType wanted(const TensorId& tensor, DType from, const Shape& shape, const RecipeFacts& facts) const;
  /// The same for a tensor of a file, by its name there. Names that stand for no role (fused matrices, recurrent
  /// layers) are matrices too, unless they are known to be none.
  DType wanted(std::string_view tensor, DType from, const Shape& shape, const RecipeFacts& facts) const;

  /// The type that a named recipe is called after and that most matrices have; nothing for rules.
  std::optional<DType> base() const;

  /// The id that GGUF files keep as `general.file_type`; -1 for rules.
  /// @throws Error{unsupported_type} for a type that exists in memory only, in a rule too.
  int file_type() const;
  /// As given, in lower case.
  const std::string& text() const { return text_; }

 private:
  struct Rule {
    std::string pattern;
    std::string target;
  };
  /// The rule that holds for a tensor's name, its right side; the recipe's own name when there are no rules.
  std::optional<std::string_view> target_of(std::string_view tensor) const;

  std::string text_;
  std::vector<Rule> rules_;  // empty: text_ is a named recipe
};

/// Whether a tensor is one that quantizers touch: a matrix of weights, no norm, no router, no position table.
bool is_quantizable(const TensorId& tensor, const Shape& shape);
/// The same by the tensor's name in a file.
bool is_quantizable(std::string_view tensor, const Shape& shape);

}  // namespace plumb
