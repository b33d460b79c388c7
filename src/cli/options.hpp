#pragma once
/// Options that several commands share.

#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/cpu/kv_type.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "plumb/quantize/recipe.hpp"
#include "plumb/text/token_list.hpp"

namespace plumb::cli {

/// For the library's warnings.
inline void print_warning(std::string_view message) {
  std::fputs(("plumb: " + std::string(message) + "\n").c_str(), stderr);
}

/// Where a model comes from and how it runs.
struct RunOptions {
  std::string model;
  std::string type;  ///< of the weights; empty: as the file has them
  std::optional<std::string> vocabulary;
  SessionOptions session;
  bool exact = false, no_repack = false;

  LoadOptions load() const {
    return {.exact = exact, .repack = !no_repack, .vocabulary = vocabulary, .weights = type, .warning = print_warning};
  }
};

inline void add_threads(const Command& command, int& threads) {
  command.add_option("-t,--threads", threads, "Threads (default: OMP_NUM_THREADS, or all processors)").range(1, 4096);
}

/// Calls what the library has for arguments. @throws UsageError for its Error.
template <typename Call>
void as_usage(const Call& call) {
  try {
    (void)call();
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

/// For Option::check: a value is right if the library's `read` does not throw.
template <typename Read>
auto readable_by(Read read) {
  return [read](const std::string& value) -> std::string {
    try {
      (void)read(value);
      return {};
    } catch (const Error& error) {
      return error.what();
    }
  };
}

/// For --kv. The message lists the names that are known.
inline std::string kv_name_problem(const std::string& name) { return readable_by(kv_type_from_name)(name); }

/// For --tokens.
inline std::string token_list_problem(const std::string& ids) {
  return readable_by([](const std::string& text) { return parse_token_list(text, "the list"); })(ids);
}

/// For --type of a command that runs models.
inline std::string type_problem(const std::string& name) { return readable_by(Recipe::parse)(name); }

/// For --type of a command that writes files.
inline std::string file_type_problem(const std::string& name) {
  return readable_by([](const std::string& text) { return Recipe::parse(text).file_type(); })(name);
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
  command
      .add_option(
          "--type", options.type,
          fmt::format("Turn the file's weights into this type at load (default: as the file has them): {}", kTypeHelp))
      .check(type_problem);
}

/// --tokenizer, for commands that read text.
inline void add_vocabulary(const Command& command, std::optional<std::string>& file) {
  command.add_option("--tokenizer", file, "Vocabulary of a llama2.c checkpoint (default: tokenizer.bin beside it)")
      .type_name("FILE");
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
