#pragma once
/// A measurement as rows for people and as JSON for programs.

#include <nlohmann/json.hpp>
#include <vector>

#include "json_output.hpp"
#include "plumb/perf/measure.hpp"
#include "table.hpp"

namespace plumb::cli {

/// What one model is, field by field.
Table config_table(const Measurement& m);
/// A row for each model: what a token needs, how fast it comes, what that achieves.
Table speed_table(const std::vector<Measurement>& all);
Json to_json(const Measurement& m);
/// How it was measured, for the head of a document.
Json measure_settings(const RunOptions& run, const MeasureOptions& options);

}  // namespace plumb::cli
