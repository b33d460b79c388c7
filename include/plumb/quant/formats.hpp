#pragma once
/// @file
/// The one list of the types that plumb computes, and how to go from a DType to its block (quant/blocks.hpp).

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <iterator>
#include <string>
#include <type_traits>

#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/quant/blocks.hpp"
#include "plumb/quant/integer_group.hpp"

namespace plumb::inline PLUMB_ABI {

/// A list of types to pass around.
template <class... Blocks>
struct BlockList {};

/// The blocks of every quantized GGUF type that plumb computes. To be in this list is to be computed: whatever visits
/// it does not compile before it knows the new block.
using QuantizedBlocks =
    BlockList<BlockQ8_0, BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1, BlockIQ4_NL, BlockMXFP4,  // 32 weights
              BlockQ2_K, BlockQ3_K, BlockQ4_K, BlockQ5_K, BlockQ6_K, BlockIQ4_XS>;             // 256

/// The type of a block. The element types count as blocks of one.
template <class Block>
inline constexpr DType kTypeOf = Block::kType;
template <>
inline constexpr DType kTypeOf<float> = DType::f32;
template <>
inline constexpr DType kTypeOf<Half> = DType::f16;
template <>
inline constexpr DType kTypeOf<BFloat16> = DType::bf16;

namespace detail {
template <class... Blocks>
constexpr BlockList<float, Half, BFloat16, Blocks...> with_elements(BlockList<Blocks...>) {
  return {};
}
template <class... Blocks>
constexpr std::array<DType, sizeof...(Blocks)> types_of(BlockList<Blocks...>) {
  return {kTypeOf<Blocks>...};
}
template <DType type, class First, class... Rest>
constexpr auto block_of(BlockList<First, Rest...>) {
  if constexpr (kTypeOf<First> == type)
    return std::type_identity<First>();
  else
    return block_of<type>(BlockList<Rest...>());
}
template <class Visit, class First, class... Rest>
constexpr decltype(auto) visit_blocks(DType type, const Visit& visit, BlockList<First, Rest...>, const char* refusal) {
  if (type == kTypeOf<First>) return visit(std::type_identity<First>());
  if constexpr (sizeof...(Rest) > 0)
    return visit_blocks(type, visit, BlockList<Rest...>(), refusal);
  else
    throw Error(ErrorCode::unsupported_type, "type " + std::string(dtype_name(type)) + refusal);
}
}  // namespace detail

/// The elements F32, F16 and BF16, and the quantized blocks.
using ComputedBlocks = decltype(detail::with_elements(QuantizedBlocks()));

/// Every GGUF type that plumb computes, quantizes to and reads from.
inline constexpr std::array kComputedTypes = detail::types_of(ComputedBlocks());

/// The block struct of a computed type: BlockOf<DType::q4_k> is BlockQ4_K; of an element type, that element.
template <DType type>
using BlockOf = typename decltype(detail::block_of<type>(ComputedBlocks()))::type;

/// Calls visit(std::type_identity<Block>()) for the block of `type`, which may be an element.
/// @throws Error{unsupported_type} for types that are not in files or not computed.
template <class Visit>
constexpr decltype(auto) visit_block(DType type, const Visit& visit) {
  return detail::visit_blocks(type, visit, ComputedBlocks(), " is not computed, or has no blocks as files have them");
}
/// The same for the quantized types alone. @throws Error{unsupported_type} for all others.
template <class Visit>
constexpr decltype(auto) visit_quantized_block(DType type, const Visit& visit) {
  return detail::visit_blocks(type, visit, QuantizedBlocks(), " has no blocks of codes and scales");
}

/// plumb's own integer types, which are in no file (quant/integer_group.hpp). They are computed too.
inline constexpr std::array kIntegerTypes = {DType::int4g32,  DType::int4g64,  DType::int4g128,  DType::int4row,
                                             DType::int4g32z, DType::int4g64z, DType::int4g128z, DType::int4rowz,
                                             DType::int8g32,  DType::int8g64,  DType::int8g128,  DType::int8row,
                                             DType::int8g32z, DType::int8g64z, DType::int8g128z, DType::int8rowz};

/// All types that products take: the computed GGUF types, then the in-memory integers.
inline constexpr auto kWeightTypes = [] {
  std::array<DType, kComputedTypes.size() + kIntegerTypes.size()> all{};
  std::copy(kComputedTypes.begin(), kComputedTypes.end(), all.begin());
  std::copy(kIntegerTypes.begin(), kIntegerTypes.end(), all.begin() + kComputedTypes.size());
  return all;
}();

namespace detail {
// Against the type table: size and bits per weight, and that scales and codes are all there is. The structs may be read
// straight from a file, so no padding.
template <class Block>
constexpr bool layout_agrees() {
  const DTypeInfo& info = dtype_info(kTypeOf<Block>);
  if constexpr (requires { Block::kGrid; }) {
    std::size_t codes = sizeof(Block);
    for (const ByteRange& scales : Block::kScales) codes -= scales.bytes;
    if (8 * codes != info.block_elements * static_cast<std::size_t>(std::bit_width(Block::kGrid.codes - 1u)))
      return false;
  }
  return sizeof(Block) == info.block_bytes && info.computed;
}
template <class... Blocks>
constexpr bool layouts_agree(BlockList<Blocks...>) {
  return (layout_agrees<Blocks>() && ...);
}
static_assert(layouts_agree(ComputedBlocks()));
static_assert(std::ranges::count_if(kDTypes, &DTypeInfo::computed) == std::ssize(kWeightTypes),
              "the type table has a computed type without a block, or the other way round");
static_assert(std::endian::native == std::endian::little, "blocks are read in place");
}  // namespace detail

/// The parts of a block that are scales or minima rather than codes, of plumb's own integers those of a group: two at
/// most, the others empty. @throws Error{unsupported_type} for types without scales.
constexpr std::array<ByteRange, 2> scale_ranges(DType type) {
  if (dtype_info(type).in_memory()) return {{{0, integer_type(type).zero_point ? std::size_t{4} : std::size_t{2}}}};
  return visit_quantized_block(type, []<class Block>(std::type_identity<Block>) {
    std::array<ByteRange, 2> ranges;
    std::copy(std::begin(Block::kScales), std::end(Block::kScales), ranges.begin());
    return ranges;
  });
}

/// Their size. None for elements, nor where a whole row has its scales before its blocks
/// (DTypeInfo::row_scale_bytes); types that are not computed are not described here and count as codes altogether.
constexpr std::size_t scale_bytes_per_block(DType type) {
  const DTypeInfo& info = dtype_info(type);
  if (!info.computed || !info.quantized() || info.row_scale_bytes > 0) return 0;
  std::size_t bytes = 0;
  for (const ByteRange& range : scale_ranges(type)) bytes += range.bytes;
  return bytes;
}

}  // namespace plumb
