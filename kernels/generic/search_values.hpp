// What codes can stand for, 16 weights at a time. Included inside a tier's region, after search_vectors.hpp.
//
// Values are a struct with nearest(target), the value nearest to each target, and code(target), the code of that value.

// The integers low ... high; codes count from -bias.
struct IntegerValues {
  float low, high, bias = 0;
  Floats nearest(Floats target) const { return nearest_between(target, splat(low), splat(high)); }
  Ints code(Floats target) const { return __builtin_convertvector(nearest(target) + bias, Ints); }
};

// A table of rising levels, as IQ4_NL has: as many steps up from the lowest as there are midpoints below the target.
struct RisingValues {
  const std::int8_t* table;
  float level(int code) const { return static_cast<float>(table[code]); }
  float midpoint(int code) const { return 0.5f * (level(code - 1) + level(code)); }
  Floats nearest(Floats target) const {
    Floats value = splat(level(0));
    for (int i = 1; i < 16; ++i) value += select(target > midpoint(i), splat(level(i) - level(i - 1)), Floats{});
    return value;
  }
  Ints code(Floats target) const {
    Ints code{};
    for (int i = 1; i < 16; ++i) code -= target > midpoint(i);  // true is -1
    return code;
  }
};

// A table of eight rising magnitudes and the same with a minus sign, as MXFP4 has.
struct SignedValues {
  const std::int8_t* table;
  float level(int code) const { return static_cast<float>(table[code]); }
  float midpoint(int code) const { return 0.5f * (level(code - 1) + level(code)); }
  Floats nearest(Floats target) const {
    const Floats magnitude = absolute(target);
    Floats value{};
    for (int i = 1; i < 8; ++i) value += select(magnitude > midpoint(i), splat(level(i) - level(i - 1)), Floats{});
    return select(target < 0.0f, -value, value);
  }
  Ints code(Floats target) const {
    Ints code{};
    for (int i = 1; i < 8; ++i) code -= absolute(target) > midpoint(i);
    return code + ((target < 0.0f) & 8);
  }
};

// The values of a block's grid. The lowest of the 256 int8 codes is left to nobody: products of two int8 numbers then
// stay below 2^14 in magnitude.
template <class Block>
static constexpr auto values_of() {
  constexpr CodeGrid kGrid = Block::kGrid;
  if constexpr (kGrid.table == nullptr)
    return IntegerValues{static_cast<float>((kGrid.codes == 256 ? 1 : 0) - kGrid.bias),
                         static_cast<float>(kGrid.codes - 1 - kGrid.bias), static_cast<float>(kGrid.bias)};
  else if constexpr (kGrid.table[0] < 0)
    return RisingValues{kGrid.table};
  else
    return SignedValues{kGrid.table};
}
