#pragma once
/// @file
/// The portable kernels, for programs without the compiled library (plumb::headers): the scalar tier, compiled into the
/// program. The one public header that reaches into kernels/. In programs that link the library it is empty.

#if !defined(PLUMB_COMPILED)

#include <string>

#include "kernels/scalar/tier.hpp"
#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI {

/// The table of the scalar tier. It has no search kernels: quantizing is in the library.
inline const KernelTable& portable_kernels() {
  static const KernelTable table = [] {
    KernelTable t;
    kernels::scalar::add_quantized_kernels(t);
    kernels::scalar::add_float_kernels(t);
    kernels::scalar::add_vector_kernels(t);
    kernels::scalar::add_attention_kernels(t);
    kernels::scalar::add_recurrent_kernels(t);
    kernels::scalar::add_probes(t);
    return t;
  }();
  return table;
}

inline bool isa_usable(Isa isa) { return isa == Isa::scalar; }
inline const KernelTable& kernels_for(Isa isa) {
  if (isa != Isa::scalar)
    throw Error(ErrorCode::unsupported_isa,
                "only the scalar tier is compiled in; link plumb::plumb for " + std::string(isa_name(isa)));
  return portable_kernels();
}
inline const KernelTable& active_kernels() { return portable_kernels(); }

}  // namespace plumb

#endif
