#pragma once
/// What `plumb decide` and `plumb compare` print of models and what they cost.

#include <optional>
#include <string>
#include <vector>

#include "plumb/perf/fit.hpp"
#include "plumb/perf/quality.hpp"
#include "table.hpp"

namespace plumb::cli {

/// What `decide` found, and for what.
struct Decision {
  FitOptions options;
  Machine profile;          ///< what was predicted by
  std::string machine;      ///< name of the processor
  std::string memory_from;  ///< "given", "free now": who says how much there is
  FitResult result;
  std::size_t shown = 10;  ///< rows
  std::string verified;    ///< name of the choice that was measured; empty: none
  std::optional<Measurement> measured = {};
};

void print_decision(const Decision& decision, Format format);

/// "21.3 ± 1.2": a rate of something that takes `seconds`, give or take `margin` of it.
std::string rate_text(double seconds, std::optional<double> margin);
/// "3.2 s ± 0.2": a time, give or take `margin` of it.
std::string time_with_margin(double seconds, std::optional<double> margin);
/// "8.03B", "46.7B (12.9B active)".
std::string parameters_text(const ParameterCount& parameters);
/// "4.66 GB", as files and their tables say it.
std::string file_size_text(double bytes);
/// "66.7" or nothing.
std::string score_text(const PublishedScore* score);
/// "~0.043": an estimate; or nothing.
std::string loss_text(std::optional<double> loss);

/// For choosing among offers; a preset's score, its type's loss.
Offer offer_of(const std::string& name, const std::string& type, const Forecast& forecast);

}  // namespace plumb::cli
