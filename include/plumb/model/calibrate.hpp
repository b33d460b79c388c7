#pragma once
/// @file
/// What a model's activations look like on a text: the mean square of every input column (which weights matter), or
/// whole rows of inputs (what an error in the weights does to the outputs).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "plumb/model/text_windows.hpp"
#include "plumb/quantize/importance.hpp"

namespace plumb::inline PLUMB_ABI {

/// Matrices that multiply the same input rows: q, k and v of a layer, gate and up, or one alone. The experts of a layer
/// are stacks whose matrices meet different rows.
struct ProductInput {
  std::vector<std::string> names;                   ///< GGUF names of the matrices
  std::vector<const ops::WeightMatrix*> consumers;  ///< the matrices, in the same order
  std::int64_t columns = 0;
  std::int64_t visits = 1;  ///< times that each token brings a row: the experts that it visits
};

/// The inputs of all products of a pass, in its order. A tied head goes by the name of the embedding.
PLUMB_API std::vector<ProductInput> product_inputs(const Model& model);

/// How to read the text.
struct CalibrationOptions {
  int context = 0;               ///< tokens of a window; 0: the model's context, at most 512
  bool bos = true;               ///< as WindowOptions::bos
  SessionOptions session = {};   ///< threads, and the type of keys and values
  WindowProgress progress = {};  ///< 0 to 1
};

/// Called with the input rows of product `index` of product_inputs(), once a pass; for experts with those of matrix
/// `matrix` of the stack, in parts. Must not throw or keep the rows.
using InputVisitor = std::function<void(std::size_t index, std::int64_t matrix, const ops::Activations& rows)>;

/// Runs the text through the model in windows side by side, the rest of the text as a shorter window; every row runs
/// the head. `inputs` are product_inputs(model), or some of them. `passed`, if given, is called after every
/// pass by the calling thread alone.
/// @throws Error{invalid_argument} for an empty text, {out_of_range} for a token outside the vocabulary, and as
/// window_context().
void observe_inputs(const Model& model, std::span<const ProductInput> inputs, std::span<const Token> text,
                    const CalibrationOptions& options, const InputVisitor& visit,
                    const std::function<void()>& passed = {});

/// The importance of every matrix that products multiply with: sums of squared inputs over all tokens of the text (for
/// an expert over those that visit it), chunks being windows. Sums are double until they are stored. @throws Error as
/// observe_inputs().
PLUMB_API ImportanceMatrix calibrate(const Model& model, std::span<const Token> text,
                                     const CalibrationOptions& options = {});

/// Some rows that matrices met.
struct InputRows {
  std::vector<std::string> names;  ///< GGUF names of the matrices
  std::int64_t columns = 0;
  std::vector<float> values;  ///< [rows, columns]

  std::int64_t rows() const { return static_cast<std::int64_t>(values.size()) / columns; }
};

/// The inputs of every product at `most` tokens spread evenly over the text (all tokens of a shorter one; for experts,
/// visits of tokens to any of them): four bytes for each of `most` * columns a product. @throws Error{invalid_argument}
/// for most < 1, and as observe_inputs().
std::vector<InputRows> sample_inputs(const Model& model, std::span<const Token> text,
                                     const CalibrationOptions& options = {}, std::int64_t most = 128);

}  // namespace plumb
