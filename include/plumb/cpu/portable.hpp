#pragma once
/// @file
/// The scalar tier as a header: the kernel table of programs that use plumb::headers without the compiled library.

#include "kernels/scalar/tier.hpp"
#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI {

/// The table of the scalar tier.
inline const KernelTable& portable_kernels() {
  static const KernelTable table = [] {
    KernelTable t;
    kernels::scalar::add_quantized_kernels(t);
    kernels::scalar::add_float_kernels(t);
    kernels::scalar::add_vector_kernels(t);
    kernels::scalar::add_attention_kernels(t);
    return t;
  }();
  return table;
}

#if !defined(PLUMB_COMPILED)
inline const KernelTable& kernels_for(Isa isa) {
  if (isa != Isa::scalar)
    throw Error(ErrorCode::unsupported_isa,
                "only the scalar tier is compiled in; link plumb::plumb for " + std::string(isa_name(isa)));
  return portable_kernels();
}
inline const KernelTable& active_kernels() { return portable_kernels(); }
#endif

}  // namespace plumb
