// Puts the products with quantized weights into a tier's table. Included inside a tier's region, after the kernels.

template <class Format, int... I>
static void add_quantized(MatmulKernels& kernels, std::integer_sequence<int, I...>) {
  ((kernels.direct[I] = direct_quantized<Format, I + 1>), ...);
}
template <class Traits, int... I>
static void add_quantized_tiles(MatmulKernels& kernels, std::integer_sequence<int, I...>) {
  ((kernels.tile[I] = tile_quantized<Traits, I + 1>), ...);
}
template <class Format>
static void add_quantized(KernelTable& table, DType type) {
  MatmulKernels& kernels = table.matmul[static_cast<std::size_t>(type)];
  add_quantized<Format>(kernels, std::make_integer_sequence<int, kDirectCols>());
  add_quantized_tiles<TileTraitsOf<Format>>(kernels, std::make_integer_sequence<int, kTileCols>());
  kernels.activations = ActivationForm::int8;
  kernels.unpack = unpack_quantized<Format>;
  kernels.unpacked_step_bytes = kUnpackedBytes<TraitsOf<Format>>;
}

template <int Bits, bool ZeroPoint>
static void add_integers(KernelTable& table, DType g32, DType g64, DType g128, DType row) {
  add_quantized<Integers<Bits, 1, ZeroPoint>>(table, g32);
  add_quantized<Integers<Bits, 2, ZeroPoint>>(table, g64);
  add_quantized<Integers<Bits, 4, ZeroPoint>>(table, g128);
  add_quantized<Integers<Bits, 0, ZeroPoint>>(table, row);
}

static void add_quantized_kernels(KernelTable& table) {
  add_quantized<Q8_0>(table, DType::q8_0);
  add_quantized<Q4_0>(table, DType::q4_0);
  add_quantized<Q4_1>(table, DType::q4_1);
  add_quantized<Q5_0>(table, DType::q5_0);
  add_quantized<Q5_1>(table, DType::q5_1);
  add_quantized<IQ4_NL>(table, DType::iq4_nl);
  add_quantized<MXFP4>(table, DType::mxfp4);
  add_quantized<Q2_K>(table, DType::q2_k);
  add_quantized<Q3_K>(table, DType::q3_k);
  add_quantized<Q4_K>(table, DType::q4_k);
  add_quantized<Q5_K>(table, DType::q5_k);
  add_quantized<Q6_K>(table, DType::q6_k);
  add_quantized<IQ4_XS>(table, DType::iq4_xs);
  add_integers<4, false>(table, DType::int4g32, DType::int4g64, DType::int4g128, DType::int4row);
  add_integers<4, true>(table, DType::int4g32z, DType::int4g64z, DType::int4g128z, DType::int4rowz);
  add_integers<8, false>(table, DType::int8g32, DType::int8g64, DType::int8g128, DType::int8row);
  add_integers<8, true>(table, DType::int8g32z, DType::int8g64z, DType::int8g128z, DType::int8rowz);
}
