#pragma once
/// What every JSON output begins with: benchmarks/JSON.md describes it for readers.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "plumb/perf/machine.hpp"

namespace plumb::cli {

using Json = nlohmann::ordered_json;

/// Version of all layouts together: a field that is renamed, removed or means something else makes it one more; one
/// that is added does not.
inline constexpr int kJsonVersion = 1;

/// The head of a document: its schema ("plumb." + `what`) and version, which program wrote it, when, on which machine,
/// by which profile (null where none was used) and with which settings. A command appends its own fields.
Json json_head(std::string_view what, const Json& settings, const Machine* profile = nullptr);

struct RunOptions;

/// The settings of a command that runs a model: type, kv, threads (null: as many as there are), exact, repack.
Json run_settings(const RunOptions& options);

/// A document of the head and `fields`, as text with a newline. Bytes that are no UTF-8 become U+FFFD.
std::string json_document(std::string_view what, const Json& settings, const Json& fields,
                          const Machine* profile = nullptr);

/// Seconds since 1970 as "2026-01-15T09:05:07Z".
std::string utc_time(double seconds);

}  // namespace plumb::cli
