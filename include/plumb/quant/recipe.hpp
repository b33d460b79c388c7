#pragma once
/// @file
/// Which tensor gets which type. Quantized models mix types: the few tensors that hurt most get more bits.
///
/// Named recipes ("q4_k_m") are those that GGUF tools share, by the same names, so that a file made here has the same
/// type in every tensor as a file made elsewhere. Source of the tables: llama.cpp, src/llama-quant.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/io/model_file.hpp"

namespace plumb::inline PLUMB_ABI {

/// What recipes ask of a model.
struct RecipeFacts {
  std::string architecture;
  int n_layers = 0;
  int group_size = 1;  ///< query heads for each key/value head
  int n_experts = 0;
  bool tied_head = false;       ///< no `output.weight`: the embedding is the head
  bool has_importance = false;  ///< calibration data is at hand
};

/// From metadata and tensor names. Absent keys leave the defaults; nothing is required, since any GGUF file of tensors
/// may be quantized. @throws Error{wrong_type, bad_value} for keys that are there but make no sense.
RecipeFacts recipe_facts(const ModelFile& file);

/// The role part of a tensor's name and its layer: "blk.7.ffn_down.weight" is "ffn_down" of layer 7, "output.weight" is
/// "output" of layer -1.
struct NamedRole {
  std::string_view role;
  int layer = -1;
};
NamedRole tensor_role(std::string_view name);

/// A recipe by name, or rules by tensor.
class PLUMB_API Recipe {
 public:
  /// "q4_k_m" or another name of names(), or rules: "ffn_down=q6_k,output=q8_0,*=q4_0". In a rule the left side is a
  /// role or a tensor name, with * and ? as wildcards, and the right side a type (exactly that type) or the name of a
  /// recipe that is no type ("*=q4_k_m"). The first rule that matches decides; a tensor that no rule matches keeps its
  /// type. Upper and lower case are the same. @throws Error{invalid_argument} naming what is not understood.
  static Recipe parse(std::string_view text);

  /// All named recipes.
  static std::vector<std::string_view> names();

  /// The type this recipe wants for a tensor of type `from`, whether or not its rows divide by the type's block:
  /// `from` itself for tensors that are never quantized (norms, biases, routers, positions).
  DType wanted(std::string_view tensor, DType from, const Shape& shape, const RecipeFacts& facts) const;

  /// The id that GGUF files keep as `general.file_type`; -1 for rules.
  int file_type() const;
  const std::string& text() const { return text_; }

 private:
  struct Rule {
    std::string pattern;
    std::string target;
  };
  std::string text_;
  std::vector<Rule> rules_;  // empty: text_ is a named recipe
};

/// Whether a tensor is one that quantizers touch: a matrix of weights, no norm, no router, no position table.
bool is_quantizable(std::string_view tensor, const Shape& shape);

/// `wanted`, or a type near it whose block divides rows of `columns`: a type of 32-weight blocks in place of one of
/// 256, F16 where 32 does not divide either.
DType fitting_type(DType wanted, std::int64_t columns);

}  // namespace plumb
