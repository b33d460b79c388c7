#pragma once
/// @file
/// Weight types by the names that people give to files: "q4_0" is one type throughout, "q4_k_m" a mix.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/blocks/weight_types.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI {

/// File type of the types that exist in memory only.
inline constexpr std::int32_t kNoFileType = -1;

/// A name that --type options take.
struct WeightMix {
  std::string_view name;        ///< lower case
  DType matrices;               ///< the type that most matrices have
  std::int32_t gguf_file_type;  ///< `general.file_type` in GGUF files (GGUF specification), or kNoFileType
};

/// All names: every computed GGUF type, the K mixes, the in-memory integers.
const std::vector<WeightMix>& weight_mixes();

/// The types of a named mix. Case does not matter.
///
/// The K mixes follow the public recipe of GGUF quantization tools: the head is Q6_K (so is an embedding that serves as
/// head); in the _M mixes the value projection and the down projection have more bits in the first and last eighth of
/// the layers and in every third layer between.
/// @throws Error{invalid_argument} that lists the known names.
WeightTypes weight_types_by_name(std::string_view name, const ModelSpec& spec);

/// `general.file_type` of a named mix. @throws as weight_types_by_name, Error{unsupported_type} for a type that exists
/// in memory only.
std::int32_t gguf_file_type(std::string_view name);

}  // namespace plumb
