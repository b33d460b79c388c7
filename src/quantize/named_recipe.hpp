#pragma once
/// @file
/// The recipes that GGUF tools know by name, and one for each type that exists in memory only. Facts (who gets which
/// type) from llama.cpp, src/llama-quant.cpp.

#include <optional>
#include <string_view>
#include <vector>

#include "plumb/quantize/recipe.hpp"

namespace plumb::inline PLUMB_ABI::detail {

/// Rules that differ; a type throughout has none.
enum class Mix {
  plain,  ///< one type throughout, the head too
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q2_k_s,
  q3_k_s,
  q3_k_m,
  q3_k_l,
  q4_k_s,
  q4_k_m,
  q5_k_s,
  q5_k_m,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  mxfp4_moe
};

struct NamedRecipe {
  std::string_view name;  ///< lower case
  Mix mix;
  DType base;     ///< of every tensor that the mix has no opinion on
  int file_type;  ///< as GGUF numbers them; -1 for types that exist in memory only
};

/// The parts of a model that mixes tell apart.
enum class RecipePart { other, embedding, head, attn_key, attn_value, attn_output, ffn_down };
RecipePart recipe_part(TensorRole role);
/// The same for a name that stands for no role, such as that of a fused tensor.
RecipePart recipe_part(std::string_view base);

/// All named recipes: those of files first, then the types that exist in memory only.
const std::vector<NamedRecipe>& named_recipes();
/// The recipe of that name in lower case, or nullptr.
const NamedRecipe* find_named_recipe(std::string_view name);
/// What GGUF calls a file whose matrices are mostly of this type, without a mix; -1 where it has no number for that.
int file_type_of(DType type);
/// Type of a quantizable tensor.
DType named_recipe_type(const NamedRecipe& recipe, RecipePart part, int layer, const Shape& shape,
                        const RecipeFacts& facts);

}  // namespace plumb::detail
