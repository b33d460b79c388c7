#pragma once
/// @file
/// A model file in, a smaller model file out: tensor by tensor, on all threads, in memory that does not grow with the
/// model.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "plumb/core/dtype.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/quantize/gptq.hpp"
#include "plumb/quantize/quantize.hpp"
#include "plumb/quantize/recipe.hpp"

namespace plumb::inline PLUMB_ABI {

class ImportanceMatrix;

/// What happened to one tensor.
struct QuantizedTensor {
  std::string name;
  Shape shape;
  DType from = DType::f32, wanted = DType::f32, to = DType::f32;  ///< `to` is not `wanted` where rows do not fit it
  std::uint64_t bytes_before = 0, bytes_after = 0;
  bool used_importance = false;
  bool compensated = false;  ///< by GPTQ
  double nmse = 0;           ///< squared error over squared weights; measured on request, 0 for copies
  /// Squared error of the outputs over squared outputs, on the calibration's activations; measured on request where
  /// their second moments are known.
  double output_nmse = 0;

  bool copied() const { return from == to; }
};

/// Where a run stands.
struct QuantizeProgress {
  const QuantizedTensor& tensor;          ///< the one being written
  std::size_t index, count;               ///< of the tensor, of all
  std::uint64_t bytes_done, bytes_total;  ///< of the input
};

struct QuantizeOptions {
  Recipe recipe = Recipe::parse("q4_k_m");
  QuantMethod method = QuantMethod::search;
  const ImportanceMatrix* importance = nullptr;
  /// Turns GPTQ on for all quantized matrices whose second moments are here; the others are quantized by `method`.
  const SecondMoments* moments = nullptr;
  GptqOptions gptq = {};
  int threads = 0;               ///< 0: default_threads()
  bool allow_nonfinite = false;  ///< NaN and infinity become 0 instead of an error
  bool measure_error = false;    ///< fill QuantizedTensor::nmse and output_nmse
  /// Called several times a tensor, never by two threads at once.
  std::function<void(const QuantizeProgress&)> progress;
  /// One line each: a fallback type, a tensor without importance, weights that were quantized before.
  std::function<void(const std::string&)> log;
  /// Sets keys beside those of the input, or in their place.
  std::function<void(GgufWriter&)> keys = {};
  std::stop_token cancel = {};  ///< ends the run within some rows of a tensor: Error{cancelled}, `out` as it was
};

struct QuantizeResult {
  std::vector<QuantizedTensor> tensors;
  std::uint64_t bytes_before = 0, bytes_after = 0;  ///< of all tensors
  std::uint64_t weights = 0;
  std::uint64_t nonfinite = 0;  ///< weights set to 0; only with allow_nonfinite

  double bits_per_weight() const {
    return weights == 0 ? 0.0 : 8.0 * static_cast<double>(bytes_after) / static_cast<double>(weights);
  }
};

/// The types that `options` give each tensor of a file, without doing anything.
PLUMB_API std::vector<QuantizedTensor> plan_quantization(const ModelFile& file, const QuantizeOptions& options);

/// Quantizes the model file `in`, all parts of it where it is split, into the one GGUF file `out`. `out` is replaced
/// by the complete new file or left as it was, whatever happens (see AtomicFile). Memory: a few megabytes a thread and
/// the metadata; the input is mapped, and its pages are given back as they have been read. GPTQ adds the factors of up
/// to three inputs (4 bytes for the square of their columns) and 12 while it makes one.
/// @throws Error{invalid_argument} when `out` is the input or a part of it, Error{bad_value} for a NaN or infinity,
/// naming tensor, row and column, Error{cancelled}, Error{unsupported_type} for a type that exists in memory only, and
/// what opening and writing throw.
/// A tensor that a folder holds otherwise is made whole first.
PLUMB_API QuantizeResult quantize_model(const ModelFile& file, const std::filesystem::path& out,
                                        const QuantizeOptions& options);
/// The same, of a file or folder that is to be opened.
PLUMB_API QuantizeResult quantize_model(const std::filesystem::path& in, const std::filesystem::path& out,
                                        const QuantizeOptions& options);

}  // namespace plumb
