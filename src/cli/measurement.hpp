#pragma once
/// A measurement as rows for people and as JSON for programs.

#include <nlohmann/json.hpp>
#include <vector>

#include "plumb/perf/measure.hpp"
#include "table.hpp"

namespace plumb::cli {

using Json = nlohmann::ordered_json;

/// What one model is, field by field.
Table config_table(const Measurement& m);
/// A row for each model: what a token needs, how fast it comes, what that achieves.
Table speed_table(const std::vector<Measurement>& all);
Json to_json(const Measurement& m);

}  // namespace plumb::cli
