#pragma once
/// safetensors files made by hand: any header before any data.

#include <cstddef>
#include <cstdint>
#include <string>

namespace plumb::test {

/// Eight bytes of length, the header, `data_bytes` bytes that count up from 0.
inline std::string safetensors_bytes(const std::string& header, std::size_t data_bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i) & 0xff);
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i & 0xff);
  return file;
}

}  // namespace plumb::test
