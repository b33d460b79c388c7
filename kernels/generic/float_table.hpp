// Puts the products with float weights, and what prepares activations, into a tier's table. Included inside a tier's
// region, after the kernels.

template <class Weights, int... I>
static void add_float(MatmulKernels& kernels, std::integer_sequence<int, I...>) {
  ((kernels.direct[I] = direct_float<WithF32<Weights>, I + 1>), ...);
}
template <int... I>
static void add_float_tiles(MatmulKernels& kernels, std::integer_sequence<int, I...>) {
  ((kernels.tile[I] = tile_float<F32Terms, I + 1>), ...);
}
template <class Weights>
static void add_float(KernelTable& table, DType type) {
  MatmulKernels& kernels = table.matmul[static_cast<std::size_t>(type)];
  add_float<Weights>(kernels, std::make_integer_sequence<int, kDirectCols>());
  add_float_tiles(kernels, std::make_integer_sequence<int, kTileCols>());
  if constexpr (!Weights::kAsTile) {
    kernels.unpack = unpack_float<Weights>;
    kernels.unpacked_step_bytes = 32 * 64;
  }
}

static void add_float_kernels(KernelTable& table) {
  add_float<F32Weights>(table, DType::f32);
  add_float<F16Weights>(table, DType::f16);
  add_float<BF16Weights>(table, DType::bf16);
  table.exact_bf16 = table.matmul_for(DType::bf16);
  table.quantize_activations = quantize_activations;
  table.tile_f32_activations = tile_f32_activations;
}
