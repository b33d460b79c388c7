#pragma once
/// Options that several commands share.

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"

namespace plumb::cli {

/// Where a model comes from and how it runs.
struct RunOptions {
  std::string model;
  SessionOptions session;
  std::string kv = "f32";
  bool exact = false, no_repack = false;

  LoadOptions load() const { return {.exact = exact, .repack = !no_repack}; }
};

inline void add_threads(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: OMP_NUM_THREADS, or all processors)")
      ->check(CLI::Range(1, 4096));
}

/// A type by its name in any case. @throws Error{invalid_argument} for a name that no type has.
inline DType parse_dtype(const std::string& name) {
  const std::optional<DType> type = dtype_from_name(name);
  if (!type) throw Error(ErrorCode::invalid_argument, "'" + name + "' is no tensor type");
  return *type;
}

/// --threads, --kv, --exact, --no-repack.
inline void add_run_options(CLI::App& command, RunOptions& options) {
  add_threads(command, options.session.threads);
  command.add_option("--kv", options.kv, "Type of keys and values in the cache")
      ->check(CLI::IsMember({"f32", "f16"}, CLI::ignore_case))
      ->capture_default_str();
  command.add_flag("--exact", options.exact, "Keep activations in f32 in every product (slow; for comparisons)");
  command.add_flag("--no-repack", options.no_repack, "Use the weights where the file has them (slower, starts sooner)");
}

}  // namespace plumb::cli
