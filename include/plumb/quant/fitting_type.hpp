#pragma once
/// @file
/// What stands in for a type whose blocks do not divide the rows of a tensor.

#include <cstdint>

#include "plumb/core/dtype.hpp"

namespace plumb::inline PLUMB_ABI {

/// `wanted`, or a type near it whose block divides rows of `cols`: a type of 32-weight blocks in place of one of 256,
/// smaller groups for an integer in memory (blocks of whole rows are 32), F16 where 32 does not divide either. The rule
/// of GGUF tools (llama.cpp, src/llama-quant.cpp), for files, random models and predictions alike.
constexpr DType fitting_type(DType wanted, std::int64_t cols) {
  const auto divides = [cols](DType type) { return cols % dtype_info(type).block_elements == 0; };
  while (!divides(wanted) && dtype_info(wanted).in_memory() && dtype_info(wanted).block_elements > 32)
    wanted = static_cast<DType>(static_cast<std::uint32_t>(wanted) - 1);  // the next smaller group
  if (divides(wanted)) return wanted;
  DType near = DType::f16;
  switch (wanted) {
    case DType::iq4_xs: near = DType::iq4_nl; break;
    case DType::q2_k:
    case DType::q3_k: near = DType::q4_0; break;
    case DType::q4_k: near = DType::q5_0; break;
    case DType::q5_k: near = DType::q5_1; break;
    case DType::q6_k: near = DType::q8_0; break;
    default: break;
  }
  return divides(near) ? near : DType::f16;
}

}  // namespace plumb
