#pragma once
/// Where a command's model comes from: a preset, a config.json, a file, a folder, or a file on a server.

#include <functional>
#include <optional>
#include <string>

#include "plumb/perf/stored_model.hpp"
#include "plumb/perf/subject.hpp"

namespace plumb::cli {

/// A model to be predicted: its description, or what its file holds where nobody can describe it.
struct SubjectSource {
  std::optional<Subject> subject;
  std::optional<StoredModel> stored;
  std::string why;           ///< there is no description
  double file_bytes = 0;     ///< 0: no file
  double fetched_bytes = 0;  ///< of these from a server
};

/// @throws as load_subject; as open_gguf_by_ranges and open_http for a URL. `timeout` in seconds.
SubjectSource read_source(const std::string& name, int timeout);

}  // namespace plumb::cli
