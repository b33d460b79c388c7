#pragma once
/// @file
/// The gated short convolution (Liquid AI 2025): a mixer that sees the last few positions.
///
///     b, c, u = W x                                    [C] each
///     y       = Wo (c * conv(b * u))                   each channel by itself, no activation
///
/// How it is run: short_conv_run.hpp.

#include "plumb/blocks/check.hpp"
#include "plumb/blocks/convolution.hpp"
#include "plumb/blocks/layer_state.hpp"

namespace plumb::inline PLUMB_ABI {

// -- spec -------------------------------------------------------------------------------------------------------------

struct ShortConvSpec {
  int channels = 0;  ///< C, usually the width of the stream
  int kernel = 0;    ///< positions that it sees; the state is kernel - 1 inputs of C values

  bool operator==(const ShortConvSpec&) const = default;
};

// -- tensors ----------------------------------------------------------------------------------------------------------

struct ShortConvWeights {
  Linear in;    // [3 C, D]: b, c, u
  Vector conv;  // [C, kernel]
  Linear out;   // [D, C]
  Vector taps;  // [kernel, C]: not stored, see short_conv_derive
};

inline void short_conv_tensors(const ShortConvSpec& spec, int width, ShortConvWeights& w, const TensorList& list) {
  list.matrix(TensorRole::shortconv_in, w.in, 3 * std::int64_t{spec.channels}, width);
  list.vector(TensorRole::shortconv_conv, w.conv, Shape{spec.channels, spec.kernel});
  list.matrix(TensorRole::shortconv_out, w.out, width, spec.channels);
}

/// Fills in what follows from the stored weights.
inline void short_conv_derive(const ShortConvSpec& spec, ShortConvWeights& w) {
  lay_out_taps(w.conv, spec.kernel, 0, spec.channels, w.taps);
}

// -- state ------------------------------------------------------------------------------------------------------------

inline LayerState short_conv_state(const ShortConvSpec& spec) {
  return LayerState::recurrence(convolution_state(spec.kernel, spec.channels));
}

// -- work -------------------------------------------------------------------------------------------------------------

/// Barriers between the phases of short_conv_run.hpp.
inline constexpr int kShortConvBarriers = 2;

inline void short_conv_work(const ShortConvSpec& spec, int width, WorkWriter& writer) {
  const double rows = writer.rows(), channels = spec.channels;
  writer.quantize_for(TensorRole::shortconv_in, 3 * channels, width, rows);
  writer.matmul(Op::mix_in, TensorRole::shortconv_in, 3 * channels, width, rows);
  convolution_work(spec.kernel, channels, 2 * ElementCost::kAdd, writer);
  writer.meet(kShortConvBarriers);
  writer.meet_prepared(rows);
  writer.quantize_for(TensorRole::shortconv_out, width, channels, rows);
  writer.matmul(Op::attn_out, TensorRole::shortconv_out, width, channels, rows);
}

// -- run (short_conv_run.hpp) -----------------------------------------------------------------------------------------

inline void short_conv_scratch(const ShortConvSpec& spec, ScratchSizes& sizes) {
  sizes.mixed = std::max(sizes.mixed, 3 * spec.channels);
  sizes.heads = std::max(sizes.heads, spec.channels);
}

// -- refuses ----------------------------------------------------------------------------------------------------------

/// @throws Error{bad_value}.
inline void short_conv_check(const ShortConvSpec& spec, const SpecChecker& check) {
  check.in_range("shortconv.channels", spec.channels, 1, SpecLimits::kWidth);
  check.in_range("shortconv.kernel", spec.kernel, 2, kMaxConvolution);
}

inline Refusal short_conv_refuses(const ShortConvSpec&) { return {}; }

}  // namespace plumb
