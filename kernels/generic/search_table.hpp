// Puts the searches of quantizers into a tier's table. Included inside a tier's region, after the kernels.

template <class... Blocks>
static void add_block_searches(SearchKernels& search, BlockList<Blocks...>) {
  ((search.blocks[static_cast<std::size_t>(Blocks::kType)] = search_blocks<Blocks>), ...);
}
template <std::size_t... I>
static void add_group_searches(SearchKernels& search, std::index_sequence<I...>) {
  ((search.groups[static_cast<std::size_t>(kIntegerTypes[I])] =
        search_groups<integer_type(kIntegerTypes[I]).bits, integer_type(kIntegerTypes[I]).zero_point>),
   ...);
}

static void add_search_kernels(KernelTable& table) {
  add_block_searches(table.search, QuantizedBlocks());
  add_group_searches(table.search, std::make_index_sequence<kIntegerTypes.size()>());
  table.search.halves_to_floats = halves_to_floats;
  table.search.largest_bits = largest_bits;
  table.search.compensate = compensate;
}
