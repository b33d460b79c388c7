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

// The kernels' view of a block: what format_of says beside each format.
template <class Block>
using FormatOf = decltype(format_of(static_cast<const Block*>(nullptr)));

template <class... Blocks>
static void add_blocks(KernelTable& table, BlockList<Blocks...>) {
  (add_quantized<FormatOf<Blocks>>(table, Blocks::kType), ...);
}

template <DType type>
static void add_integers(KernelTable& table) {
  constexpr IntegerType kParts = integer_type(type);
  add_quantized<Integers<kParts.bits, kParts.group / 32, kParts.zero_point>>(table, type);
}
template <std::size_t... I>
static void add_all_integers(KernelTable& table, std::index_sequence<I...>) {
  (add_integers<kIntegerTypes[I]>(table), ...);
}

static void add_quantized_kernels(KernelTable& table) {
  add_blocks(table, QuantizedBlocks());
  add_all_integers(table, std::make_index_sequence<kIntegerTypes.size()>());
}
