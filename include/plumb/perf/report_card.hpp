#pragma once
/// @file
/// The report card of a quantized model: what it costs in accuracy beside what it saves in bytes and time, so that a
/// person can choose from one table. Weight error alone is never the verdict.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/collect_moments.hpp"
#include "plumb/model/evaluate.hpp"
#include "plumb/perf/fallbacks.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/perf/tensor_error.hpp"
#include "plumb/quantize/quantize_model.hpp"

namespace plumb::inline PLUMB_ABI {

/// One model of a table.
struct ReportCard {
  std::string type;     ///< recipe or rules: "q4_k_m"
  std::string method;   ///< "search+imatrix"; "-" for the base
  Fallbacks fallbacks;  ///< matrices that do not have the type's own types
  double bits_per_weight = 0;
  std::uint64_t bytes = 0;           ///< of all tensors
  double bytes_per_token = 0;        ///< weights, keys and values that decoding one token reads and writes
  double weight_nmse = 0;            ///< squared error over squared weights, all changed matrices together
  double output_nmse = 0;            ///< mean over the changed matrices of the error of their outputs
  LogitComparison logits;            ///< against the base
  Estimate bits_per_byte;            ///< of the text
  Measurement speed;                 ///< prefill and decode
  std::vector<TensorError> tensors;  ///< of those that changed

  /// The type and what of the model is another: "q4_k_m (12 of 40 tensors Q5_0)".
  std::string type_text() const { return fallbacks.beside(type); }
};

/// What to judge with.
struct ReportOptions {
  std::string text;              ///< perplexity and divergence are taken on this
  std::string calibration = {};  ///< inputs and importance come from this; empty: from the text above
  WindowOptions windows = {};
  SessionOptions session = {};  ///< threads, type of keys and values
  std::int64_t samples = 128;   ///< rows of inputs of each product that outputs are compared on
  MeasureOptions speed = {.prompt = 256, .tokens = 64, .repetitions = 3, .max_seconds = 5};
  /// Called with how much is done, 0 to 1, and what is being done.
  std::function<void(double fraction, std::string_view what)> progress = {};
};

/// Judges models against one base, whose logits and inputs it computes.
class Reporter {
 public:
  /// @throws as Model::load and sample_inputs(), Error{missing_key} for a base without tokenizer.
  Reporter(const std::filesystem::path& base, ReportOptions options);

  const Model& base() const { return base_; }
  /// Importance from the calibration text; collected at the first call.
  const ImportanceMatrix& importance();
  /// Second moments from the calibration text, for GPTQ; collected at the first call.
  const SecondMoments& moments();

  /// The card of the base itself.
  ReportCard base_card();
  /// The card of a file with the same tensors. `type` and `method` say how it was made.
  /// @throws as Model::load, tensor_errors() and compare_logits().
  ReportCard card(const std::filesystem::path& file, std::string type, std::string method);
  /// Quantizes the base into a temporary file and judges that, or, for types that exist in memory alone ("int4g64"),
  /// at load. `method` is a name of report_methods(); at load, "nearest" or "search". @throws Error{invalid_argument}
  /// for an unknown type or method, and as quantize_model() and card().
  ReportCard card_of(const std::string& type, const std::string& method);

 private:
  friend std::vector<ReportCard> report_cards(const std::filesystem::path& base, std::span<const std::string> types,
                                              std::span<const std::string> methods, ReportOptions options);
  CalibrationOptions calibration_options() const;
  void announce(const std::string& what) const;
  void fill(ReportCard& card, const Model& model);
  void judge_tensors(ReportCard& card, const FindTensor& find);
  ReportCard card_at_load(const std::string& type, const std::string& method);

  ReportOptions options_;
  std::filesystem::path path_;
  ModelFile file_;
  Model base_;
  std::vector<Token> text_, calibration_;
  std::vector<InputRows> inputs_;
  std::optional<ImportanceMatrix> importance_;
  SecondMoments moments_;
  double done_ = 0;  // of what report_cards() was asked for
};

/// Names that card_of() takes: "nearest", "search", "search+imatrix", "gptq".
std::span<const std::string_view> report_methods();

/// The card of the base, then one for every type and method that go together, in this order. Names are checked before
/// anything is run.
/// @throws as Reporter.
std::vector<ReportCard> report_cards(const std::filesystem::path& base, std::span<const std::string> types,
                                     std::span<const std::string> methods, ReportOptions options);

/// Where weights and predictions disagree, a sentence each: of two cards of the same size, within 1 %, one has the
/// smaller weight error and the other, by more than its standard error, the smaller divergence.
std::vector<std::string> disagreements(std::span<const ReportCard> cards);
/// A sentence, if the worst tensor by weights is not the worst by outputs; else nothing.
std::string worst_tensors(const ReportCard& card);

}  // namespace plumb
