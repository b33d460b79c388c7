#pragma once
/// @file
/// The recipes that GGUF tools know by name. Facts (who gets which type) from llama.cpp, src/llama-quant.cpp.

#include <string_view>
#include <vector>

#include "plumb/quantize/recipe.hpp"

namespace plumb::inline PLUMB_ABI::detail {

std::vector<std::string_view> named_recipes();
bool is_named_recipe(std::string_view name);
/// Type of a quantizable tensor. `name` must be a named recipe.
DType named_recipe_type(std::string_view name, const NamedRole& role, const Shape& shape, const RecipeFacts& facts);
/// `general.file_type`.
int named_recipe_file_type(std::string_view name);

}  // namespace plumb::detail
