#pragma once
/// Options that several commands share: one name, one unit, one default, one help text. Numbers of tokens, positions
/// and rows may have a k (1024): "8k".

#include <fmt/format.h>

#include <cstdint>
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
#include "say.hpp"
#include "table.hpp"

namespace plumb::cli {

/// For the library's warnings.
inline void print_warning(std::string_view message) { say("plumb: {}\n", message); }

/// Keys and values in the cache, unless --kv or --exact says otherwise: as other engines have them.
inline constexpr DType kUsualKv = DType::f16;
/// The same in `logits` and `embed`, whose numbers are compared with those of other programs.
inline constexpr DType kComparedKv = DType::f32;

/// Where a model comes from and how it runs.
struct RunOptions {
  std::string model;
  std::string type;  ///< of the weights; empty: as the file has them
  std::optional<std::string> vocabulary;
  SessionOptions session{.kv = kUsualKv};
  bool exact = false, no_repack = false;

  LoadOptions load() const {
    return {.exact = exact, .repack = !no_repack, .vocabulary = vocabulary, .weights = type, .warning = print_warning};
  }
};

/// What commands that measure or predict read and decode unless told otherwise.
inline constexpr int kUsualPrompt = 512, kUsualTokens = 32;

/// No context, prompt or batch is longer.
inline constexpr std::int64_t kMostTokens = 1 << 30;

/// The model that a command reads.
inline Option add_model(const Command& command, std::string& model,
                        const std::string& help = "Model file, or Hugging Face folder") {
  return command.add_option("model", model, help).required().type_name("MODEL");
}

/// -t,--threads.
inline Option add_threads(const Command& command, int& threads,
                          const std::string& otherwise = "OMP_NUM_THREADS, or all processors") {
  return command.add_option("-t,--threads", threads, fmt::format("Threads (default: {})", otherwise)).range(1, 4096);
}

/// -c,--ctx: positions that a sequence has room for. T: int or int64_t.
template <typename T>
Option add_context(const Command& command, T& context, const std::string& help, std::int64_t low = 1) {
  return command.add_count("-c,--ctx,--context", context, low, kMostTokens, help);
}

/// -p,--prompt: tokens that are read in one go.
template <typename T>
Option add_prompt(const Command& command, T& prompt, const std::string& help, std::int64_t low = 0) {
  return command.add_count("-p,--prompt", prompt, low, kMostTokens, help);
}

/// -n,--n-predict: tokens that are decoded one by one.
inline Option add_new_tokens(const Command& command, int& tokens, const std::string& help, std::int64_t low = 0) {
  return command.add_count("-n,--n-predict", tokens, low, kMostTokens, help).show_default();
}

/// -d,--depth: tokens that the cache holds before.
inline Option add_depth(const Command& command, int& depth) {
  return command.add_count("-d,--depth", depth, 0, kMostTokens, "Tokens already in the cache").show_default();
}

/// --sequences, or --users, as those call them who plan. T: int or int64_t.
template <typename T>
Option add_sequences(const Command& command, T& sequences) {
  return command
      .add_count("--sequences,--users", sequences, 1, 1 << 16,
                 "Sequences decoded side by side, each with a context of its own")
      .show_default();
}

/// -b,--batch-size: rows of a forward pass.
inline Option add_batch_size(const Command& command, int& batch, const std::string& help) {
  return command.add_count("-b,--batch-size", batch, 1, 1 << 20, help).show_default();
}

/// -r,--repetitions.
inline Option add_repetitions(const Command& command, int& repetitions, const std::string& help) {
  return command.add_option("-r,--repetitions", repetitions, help).range(1, 1000).show_default();
}

/// --seed of random weights.
inline Option add_weights_seed(const Command& command, std::uint64_t& seed) {
  return command.add_option("-s,--seed", seed, "Seed of the weights").show_default();
}

/// --calib: the text whose activations say which weights matter.
inline Option add_calibration(const Command& command, std::string& file, const std::string& help) {
  return command.add_option("--calib", file, help).type_name("FILE");
}

/// --quiet.
inline Option add_quiet(const Command& command, bool& quiet) {
  return command.add_flag("--quiet", quiet, "No progress, no summary");
}

/// -o,--out: the file that a command writes.
template <typename Path>
Option add_out(const Command& command, Path& out, const std::string& help = "File to write") {
  return command.add_option("-o,--out", out, help).type_name("FILE");
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

/// Help of --kv.
inline std::string kv_help() {
  return fmt::format(
      "Type of keys and values in the cache: {} (default {}; {} with --exact, and in logits and embed); with f16 and "
      "int8, quantized and BF16 models round attention's operands to bf16 where the processor multiplies these (f32 "
      "does not)",
      kKvTypeNames, kv_type_name(kUsualKv), kv_type_name(kComparedKv));
}

/// --kv: what the cache holds. `kv` is kUsualKv or kComparedKv before.
inline void add_kv(const Command& command, DType& kv) {
  command
      .add_option_function(
          "--kv", [&kv](const std::string& name) { kv = kv_type_from_name(name); }, kv_help())
      .check(kv_name_problem)
      .type_name("TYPE");
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
  const auto exact = [&options] {
    options.exact = true;
    options.session.kv = kComparedKv;
  };
  command.add_flag_function(
      "--exact", exact, "Keep activations in f32 in every product, and keys and values too (slow; for comparisons)");
  add_kv(command, options.session.kv);  // behind --exact, which it overrides
  command.add_flag("--no-repack", options.no_repack,
                   "Use the weights in place, as the file has them (slower, starts sooner)");
}

/// --format.
inline Option add_format(const Command& command, Format& format) {
  const auto set = [&format](const std::string& name) {
    format = name == "json" ? Format::json : name == "csv" ? Format::csv : name == "md" ? Format::md : Format::text;
  };
  return command.add_option_function("--format", set, "Output as text, json, csv or md (default text)")
      .one_of({"text", "json", "csv", "md"}, {.in_help = false})
      .type_name("FORMAT");
}

/// --machine: whose speed is predicted; see machine_of.
inline Option add_machine(const Command& command, std::string& machine, const std::string& more = "") {
  return command
      .add_option(
          "--machine", machine,
          "Profile to predict by, as `plumb machine --format json` prints it (default: this machine's, measured "
          "if there is none yet" +
              more + ")")
      .type_name("FILE");
}

}  // namespace plumb::cli
