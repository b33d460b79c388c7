#pragma once
/// @file
/// Sweeps: one dimension of a model or of its use varied while the others hold, measured with random weights,
/// predicted, and summed up by a fitted law.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/model/spec.hpp"
#include "plumb/perf/fallbacks.hpp"
#include "plumb/perf/law.hpp"
#include "plumb/perf/machine.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/perf/predict.hpp"

namespace plumb::inline PLUMB_ABI {

/// What a sweep varies, and in which unit.
enum class Dimension {
  size,     ///< the measurement family, by parameters: all dimensions grow together
  type,     ///< weight types, by bits per weight
  width,    ///< residual width; head size, query heads per KV head and the feed-forward ratio hold, so heads follow
  depth,    ///< layers
  vocab,    ///< tokens in the vocabulary
  gqa,      ///< query heads that share one KV head; query heads hold
  experts,  ///< experts per layer, of the base's feed-forward width, two of them used
  context,  ///< tokens in the cache before the timed ones
  batch,    ///< sequences decoded side by side
  threads,  ///< threads of the session
};
inline constexpr std::array kDimensions{Dimension::size,  Dimension::type,   Dimension::width,   Dimension::depth,
                                        Dimension::vocab, Dimension::gqa,    Dimension::experts, Dimension::context,
                                        Dimension::batch, Dimension::threads};

std::string_view dimension_name(Dimension dimension);
/// The dimension of that name. @throws Error{invalid_argument} that lists the names.
Dimension dimension_from_name(std::string_view name);

/// What to sweep.
struct SweepOptions {
  Dimension dimension = Dimension::size;
  std::optional<double> from, to;  ///< ends of the range, both included; nothing: what suits the dimension
  int steps = 6;                   ///< values, near a geometric progression, as far as the range holds that many
  std::optional<ModelSpec> base;   ///< what holds; nothing: plumb-30m of the family. Not used by `size`
  std::vector<std::string>
      types;               ///< as weight_types_by_name; empty: F16, Q8_0, Q4_0 (size), all (type), Q8_0 (others)
  MeasureOptions measure;  ///< max_seconds is the time of each point
  std::optional<Machine> machine;  ///< points are predicted for it
  double memory = 0;               ///< bytes that models may take at once; 0: half of what is available
  /// What is being done and how far the whole is, 0 to 1.
  std::function<void(std::string_view what, double done)> progress = {};
};

/// One point of a sweep before it runs.
struct SweepCase {
  double value = 0;   ///< in the unit of the dimension
  std::string label;  ///< "width 768"
  ModelSpec spec;
  std::string type;  ///< as weight_types_by_name, upper case
  MeasureOptions measure;
};

/// A point that has run.
struct SweepPoint {
  SweepCase setting;
  double parameters = 0;
  Fallbacks fallbacks = {};             ///< matrices that do not have the setting's type
  std::optional<Measurement> measured;  ///< nothing before it has run
  TimedPasses passes;                   ///< the ledgers of what was timed
  std::optional<Prediction> prefill;    ///< the whole prompt; nothing without a machine or a prompt
  std::optional<Prediction> decode;     ///< all tokens
  double decode_passes() const { return static_cast<double>(passes.decode.size()); }
  /// Seconds of one step of decoding; 0 when not known.
  double decode_seconds() const {
    return measured && measured->decode.passes > 0 ? measured->decode.seconds_per_pass() : 0;
  }
  double prefill_seconds() const { return measured && measured->prefill.passes > 0 ? measured->prefill.median() : 0; }
  double decode_predicted() const { return decode ? decode->seconds() / decode_passes() : 0; }
  double prefill_predicted() const { return prefill ? prefill->seconds() : 0; }
};

/// A law and the points it is fitted to.
struct SeriesLaw {
  std::string series;  ///< weight type, "all types"
  bool prefill = false;
  std::vector<std::size_t> points;  ///< indices into Sweep::points
  Law law;
};

/// Fewer bits per weight that took longer, by more than the runs scatter.
struct SlowBits {
  std::size_t fewer = 0, more = 0;  ///< indices into Sweep::points: the same setting with other types
  bool prefill = false;
  double ratio = 1;        ///< time with fewer bits over time with more: above 1
  bool explained = false;  ///< the profile knows the kernel of fewer bits to be slower
  std::string why;         ///< a sentence, from the ledger and the machine's profile
};

/// A sweep that has run.
struct Sweep {
  Dimension dimension = Dimension::size;
  std::vector<SweepPoint> points;
  std::vector<SeriesLaw> laws;      ///< of series with enough points
  std::vector<SlowBits> slow_bits;  ///< explained ones first, then the largest ratios
  SystemInfo system;
  std::string tier;
  double seconds = 0;  ///< how long it took
};

/// The points of a sweep: values outer, types inner, so that types of one shape run side by side.
/// @throws Error{invalid_argument} for a range that is empty, not positive, beyond what the base divides into, or
/// beyond the limits of the dimension; Error{bad_value} as check_spec; Error{out_of_memory} for a point that needs
/// more memory than is available. The message names the dimension and the value.
std::vector<SweepCase> plan_sweep(const SweepOptions& options);

/// Plans and runs. As many points as fit in memory are alive at once and take turns, repetition by repetition.
/// @throws as plan_sweep, Model::random and Session.
Sweep run_sweep(const SweepOptions& options);

/// Fits the laws of measured points: decoding and prompts apart, one series per type (one for all when types are what
/// varies; sweeps over threads divide bytes and operations by the threads).
std::vector<SeriesLaw> fit_laws(Dimension dimension, const std::vector<SweepPoint>& points);

/// Finds where fewer bits were slower. `machine` serves the reason.
std::vector<SlowBits> find_slow_bits(const std::vector<SweepPoint>& points, const std::optional<Machine>& machine);

/// Adds the predictions of a machine to a point whose setting and passes are there.
void predict_point(SweepPoint& point, const Machine& machine);

}  // namespace plumb
