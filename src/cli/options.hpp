#pragma once
/// Options that several commands share.

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/cpu/kv_type.hpp"
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
  bool exact = false, no_repack = false;

  LoadOptions load() const { return {.exact = exact, .repack = !no_repack, .weights = type, .warning = print_warning}; }
};

inline void add_threads(const Command& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: OMP_NUM_THREADS, or all processors)").range(1, 4096);
}

/// What is wrong with a name of a type of keys and values: nothing, or the list of those that are known.
inline std::string kv_name_problem(const std::string& name) {
  try {
    (void)kv_type_from_name(name);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

/// What every --type option means by a name, for help texts.
inline constexpr std::string_view kTypeHelp =
    "the names of `plumb quantize --type`, with the same types in every tensor (q4_k is the mix Q4_K_M, as in other "
    "GGUF tools), and of types in memory such as int4g64; \"*=q4_k\" is one type throughout";

/// --kv: what the cache holds, the same names in every command.
inline void add_kv(const Command& command, DType& kv) {
  command
      .add_option_function(
          "--kv", [&kv](const std::string& name) { kv = kv_type_from_name(name); },
          fmt::format("Type of keys and values in the cache: {} (default {}); with f16 and int8, quantized and BF16 "
                      "models round attention's operands to bf16 where the processor multiplies these (f32 does not)",
                      kKvTypeNames, kv_type_name(kv)))
      .check(kv_name_problem);
}

/// --type, for commands that run one model.
inline void add_type(const Command& command, RunOptions& options) {
  command.add_option(
      "--type", options.type,
      fmt::format("Turn the file's weights into this type at load (default: as the file has them): {}", kTypeHelp));
}

/// --threads, --kv, --exact, --no-repack.
inline void add_run_options(const Command& command, RunOptions& options) {
  add_threads(command, options.session.threads);
  add_kv(command, options.session.kv);
  command.add_flag("--exact", options.exact, "Keep activations in f32 in every product (slow; for comparisons)");
  command.add_flag("--no-repack", options.no_repack,
                   "Use the weights in place, as the file has them (slower, starts sooner)");
}

}  // namespace plumb::cli
