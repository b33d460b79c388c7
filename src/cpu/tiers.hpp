#pragma once
/// The tables of the tiers that are compiled in. Building a table runs no instruction of its tier.

#include "plumb/cpu/kernel_table.hpp"

namespace plumb::inline PLUMB_ABI::kernels {

const KernelTable& scalar_table();
const KernelTable& avx2_table();
const KernelTable& avx_vnni_table();
const KernelTable& avx512_table();
const KernelTable& avx512_vnni_table();
const KernelTable& avx512_bf16_table();

// What two tiers share: a table without products with quantized weights of its own.
KernelTable avx2_common();
KernelTable avx512_common();

// The searches of quantizers, which are compiled in files of their own.
void add_scalar_search(KernelTable& table);
void add_avx2_search(KernelTable& table);
void add_avx512_search(KernelTable& table);

}  // namespace plumb::kernels
