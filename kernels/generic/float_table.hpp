// Puts the products with float weights, and what prepares activations, into a tier's table. Included inside a tier's
// region, after the kernels.

static void add_float_kernels(KernelTable& table) {
  add_float<F32Weights>(table.matmul[static_cast<std::size_t>(DType::f32)], ActivationForm::f32);
  add_float<F16Weights>(table.matmul[static_cast<std::size_t>(DType::f16)], ActivationForm::f32);
  add_float<BF16Weights>(table.matmul[static_cast<std::size_t>(DType::bf16)], ActivationForm::f32);
  table.exact_bf16 = table.matmul_for(DType::bf16);
  table.quantize_activations = quantize_activations;
  table.tile_f32_activations = tile_f32_activations;
}
