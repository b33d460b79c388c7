#pragma once
/// @file
/// What is said of a plan to quantize a model before any of it is done.

#include <vector>

#include "plumb/quantize/quantize_model.hpp"

namespace plumb::inline PLUMB_ABI::detail {

/// Tells where a type does not fit, and of tensors that were quantized before.
void log_choices(const std::vector<QuantizedTensor>& plan, const QuantizeOptions& options);

/// Importance that was taken of another model would change types and rounding for nothing.
/// @throws Error{invalid_argument} where it knows none of the file's tensors.
void check_importance(const ModelFile& file, const ImportanceMatrix& importance);

/// What a file by rules is called in `general.file_type`: as before where that still names the type that most weights
/// of the matrices have, else after that type. -1: GGUF has no number for it.
int file_type_of_rules(const ModelFile& file, const std::vector<QuantizedTensor>& plan);

}  // namespace plumb::detail
