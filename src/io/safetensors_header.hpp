#pragma once
/// The header of one safetensors file. Private to the library.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "plumb/io/safetensors.hpp"

namespace plumb::inline PLUMB_ABI {

/// The tensors of a file by its header; `bytes` of each is set, `file` is not. @throws as Safetensors::open.
std::vector<SafeTensor> read_safetensors(std::span<const std::byte> file, const std::string& name);

}  // namespace plumb
