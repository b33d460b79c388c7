#pragma once
/// Options that several commands share.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

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

inline void add_threads(CLI::App& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: OMP_NUM_THREADS, or all processors)")
      ->check(CLI::Range(1, 4096));
}

/// Refuses what is no type of keys and values, with the list.
inline CLI::Validator kv_name_check() {
  return CLI::Validator(
      [](std::string& name) {
        try {
          (void)kv_type_from_name(name);
          return std::string();
        } catch (const Error& error) {
          return std::string(error.what());
        }
      },
      "{f32,f16,int8}");
}

/// What every --type option means by a name, for help texts.
inline constexpr std::string_view kTypeHelp =
    "the names of `plumb quantize --type`, with the same types in every tensor (q4_k is the mix Q4_K_M, as in other "
    "GGUF tools), and of types in memory such as int4g64; \"*=q4_k\" is one type throughout";

/// --kv: what the cache holds, the same names in every command.
inline void add_kv(CLI::App& command, DType& kv) {
  command
      .add_option_function<std::string>(
          "--kv", [&kv](const std::string& name) { kv = kv_type_from_name(name); },
          "Type of keys and values in the cache: " + std::string(kKvTypeNames) +
              "; with f16 and int8, attention of quantized and BF16 models rounds its operands to bf16 where the "
              "processor has bf16 dots (with f32 it does not)")
      ->check(kv_name_check())
      ->default_str(std::string(kv_type_name(kv)));
}

/// --type, for commands that run one model.
inline void add_type(CLI::App& command, RunOptions& options) {
  command.add_option(
      "--type", options.type,
      fmt::format("Turn the file's weights into this type at load (default: as the file has them): {}", kTypeHelp));
}

/// --threads, --kv, --exact, --no-repack.
inline void add_run_options(CLI::App& command, RunOptions& options) {
  add_threads(command, options.session.threads);
  add_kv(command, options.session.kv);
  command.add_flag("--exact", options.exact, "Keep activations in f32 in every product (slow; for comparisons)");
  command.add_flag("--no-repack", options.no_repack,
                   "Use the weights in place, as the file has them (slower, starts sooner)");
}

}  // namespace plumb::cli
