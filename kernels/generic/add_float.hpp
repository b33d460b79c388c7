// Puts the products with one kind of float weights into their slots. Included inside a tier's region, after
// product_float.

template <class Weights, int... I>
static void add_float(MatmulKernels& kernels, std::integer_sequence<int, I...>) {
  ((kernels.tile[I] = product_float<Weights, I + 1>), ...);
}
template <class Weights>
static void add_float(MatmulKernels& kernels, ActivationForm activations) {
  kernels = {};
  kernels.activations = activations;
  add_float<Weights>(kernels, std::make_integer_sequence<int, kTileCols>());
  for (int i = 0; i < kDirectCols; ++i) kernels.direct[i] = kernels.tile[i];
}
