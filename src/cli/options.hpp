#pragma once
/// Options that several commands share.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"

namespace plumb::cli {

/// For the library's warnings.
inline void print_warning(std::string_view message) {
  std::fputs(("plumb: " + std::string(message) + "\n").c_str(), stderr);
}

/// Where a model comes from and how it runs.
struct RunOptions {
  std::string model;
  std::string type;  ///< of the weights; empty: as the file has them
  SessionOptions session;
  std::string kv = "f32";
  bool exact = false, no_repack = false;

  LoadOptions load() const { return {.exact = exact, .repack = !no_repack, .weights = type, .warning = print_warning}; }
};

inline void add_threads(const Command& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: OMP_NUM_THREADS, or all processors)").range(1, 4096);
}

/// A type by its name in any case. @throws Error{invalid_argument} for a name that no type has.
inline DType parse_dtype(const std::string& name) {
  const std::optional<DType> type = dtype_from_name(name);
  if (!type) throw Error(ErrorCode::invalid_argument, "'" + name + "' is no tensor type");
  return *type;
}

/// What --kv takes.
inline const std::vector<std::string> kKvNames = {"f32", "f16", "int8"};
/// The type of keys and values of that name, and the other way.
inline DType kv_type(const std::string& name) {
  std::string lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower == "int8" ? DType::i8 : parse_dtype(name);
}
inline std::string kv_name(DType type) { return type == DType::i8 ? "int8" : type == DType::f16 ? "f16" : "f32"; }

/// --type, for commands that run one model.
inline void add_type(const Command& command, RunOptions& options) {
  command.add_option("--type", options.type,
                     "Turn the file's weights into this type at load: int4g64, int8row, q4_0, q4_k_m, ... (default: as "
                     "the file has them)");
}

/// --threads, --kv, --exact, --no-repack.
inline void add_run_options(const Command& command, RunOptions& options) {
  add_threads(command, options.session.threads);
  command
      .add_option("--kv", options.kv,
                  "Type of keys and values in the cache; with f16 and int8, quantized and BF16 models round "
                  "attention's operands to bf16 where the processor multiplies these (f32 does not)")
      .one_of(kKvNames, {.ignore_case = true})
      .show_default();
  command.add_flag("--exact", options.exact, "Keep activations in f32 in every product (slow; for comparisons)");
  command.add_flag("--no-repack", options.no_repack, "Use the weights where the file has them (slower, starts sooner)");
}

}  // namespace plumb::cli
