/// `plumb bench`: speed of whole models, with the flags and test names of llama-bench.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/perf/bench.hpp"
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/subject.hpp"
#include "say.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

using Json = nlohmann::ordered_json;

enum class Output { md, json, jsonl, csv };

struct BenchOptions {
  std::vector<std::string> models, presets, types, kv, keys, values;
  std::vector<int> prompts = {512}, generated = {128}, depths = {0}, threads = {0}, batches = {2048}, ubatches = {512},
                   sequences = {1};
  std::vector<int> pairs;
  int repetitions = 5;
  bool no_warmup = false, no_repack = false;
  std::string output = "md";
};

/// What is said of a model beside every result.
struct ModelInfo {
  std::string source, description, types;
  std::size_t bytes = 0;
  std::int64_t parameters = 0;
  std::string tier;
  std::vector<std::string> slow;  ///< types without a fast path
};

ModelInfo describe(const Model& model) {
  ModelInfo info;
  const std::vector<TensorClass> classes = tensor_classes(model);
  info.source = model.source();
  info.types = describe_types(classes);
  info.bytes = model.weight_bytes();
  info.parameters = count_parameters(model.spec()).total();
  info.tier = model.transformer().kernels->name;
  info.description = model.spec().name.empty() ? model.spec().family : model.spec().name;
  for (const TensorClass& c : classes)
    if (!c.fast) info.slow.push_back(c.role + " " + std::string(dtype_name(c.type)));
  return info;
}

/// -p, -n and -pg, times -d and --batch.
std::vector<BenchTest> tests_of(const BenchOptions& options) {
  std::vector<BenchTest> kinds;
  for (const int prompt : options.prompts)
    if (prompt != 0) kinds.push_back({prompt, 0});
  for (const int generate : options.generated)
    if (generate != 0) kinds.push_back({0, generate});
  for (std::size_t i = 0; i + 1 < options.pairs.size(); i += 2)
    kinds.push_back({options.pairs[i], options.pairs[i + 1]});
  std::vector<BenchTest> tests;
  for (const int sequences : options.sequences)
    for (const int depth : options.depths)
      for (BenchTest test : kinds) {
        test.depth = depth;
        test.sequences = sequences;
        tests.push_back(test);
      }
  return tests;
}

/// --kv, or -ctk and -ctv: a cache has one type for both.
std::vector<DType> kv_types_of(const BenchOptions& options) {
  const auto types = [](const std::vector<std::string>& names) {
    std::vector<DType> all;
    for (const std::string& name : names)
      if (const DType type = kv_type_from_name(name); std::find(all.begin(), all.end(), type) == all.end())
        all.push_back(type);
    return all;
  };
  std::vector<DType> kv = types(options.kv);
  for (const std::vector<DType>& part : {types(options.keys), types(options.values)}) {
    if (part.empty()) continue;
    if (!kv.empty() && kv != part)
      throw UsageError("keys and values of different types (--kv, -ctk, -ctv): a cache has one type for both");
    kv = part;
  }
  return kv.empty() ? std::vector<DType>{DType::f16} : kv;
}

std::vector<BenchSettings> settings_of(const BenchOptions& options) {
  std::vector<BenchSettings> all;
  for (const int threads : options.threads)
    for (const int batch : options.batches)
      for (const int ubatch : options.ubatches)
        for (const DType kv : kv_types_of(options))
          all.push_back({threads, std::min(batch, ubatch), kv, options.repetitions, !options.no_warmup});
  return all;
}

Json json_of(const ModelInfo& info, const BenchResult& result) {
  Json samples_ns = Json::array();
  double mean_ns = 0;
  for (const double s : result.seconds) {
    samples_ns.push_back(static_cast<std::int64_t>(s * 1e9));
    mean_ns += s * 1e9 / static_cast<double>(result.seconds.size());
  }
  return {{"test", result.test.name()},
          {"model_filename", info.source},
          {"model_type", info.description},
          {"model_size", info.bytes},
          {"model_n_params", info.parameters},
          {"weight_types", info.types},
          {"without_fast_path", info.slow},
          {"isa", info.tier},
          {"n_threads", result.settings.threads},
          {"n_ubatch", result.settings.batch},
          {"type_k", kv_type_name(result.settings.kv)},
          {"type_v", kv_type_name(result.settings.kv)},
          {"n_prompt", result.test.prompt},
          {"n_gen", result.test.generate},
          {"n_depth", result.test.depth},
          {"n_sequences", result.test.sequences},
          {"avg_ns", static_cast<std::int64_t>(mean_ns)},
          {"avg_ts", result.mean_rate()},
          {"stddev_ts", result.rate_deviation()},
          {"samples_ns", std::move(samples_ns)},
          {"samples_ts", result.rates()}};
}

/// Prints results as they come in.
class Printer {
 public:
  explicit Printer(Output output) : output_(output) {}

  void add(const ModelInfo& info, const BenchResult& result) {
    switch (output_) {
      case Output::md: add_markdown(info, result); break;
      case Output::json: fmt::print("{}{}", first_ ? "[\n" : ",\n", json_of(info, result).dump(2)); break;
      case Output::jsonl: fmt::print("{}\n", json_of(info, result).dump()); break;
      case Output::csv: add_csv(json_of(info, result)); break;
    }
    first_ = false;
    std::fflush(stdout);
  }
  void finish() {
    if (output_ == Output::json) fmt::print("{}]\n", first_ ? "[" : "\n");
  }

 private:
  static constexpr const char* kRow = "| {:<24} | {:>10} | {:>8} | {:<11} | {:>7} | {:<4} | {:<18} | {:>20} |\n";

  void add_markdown(const ModelInfo& info, const BenchResult& result) {
    if (first_) {
      fmt::print(kRow, "model", "size", "params", "tier", "threads", "kv", "test", "t/s");
      fmt::print("| {:-<24} | {:->10} | {:->8} | {:-<11} | {:->7} | {:-<4} | {:-<18} | {:->20} |\n", "", ":", ":", "",
                 ":", "", "", ":");
    }
    if (info.source + info.description + info.types != last_model_) {
      last_model_ = info.source + info.description + info.types;
      say("{}: {}\n", info.source, info.types);
      for (const std::string& slow : info.slow) say("{}: no fast path for {}\n", info.source, slow);
    }
    fmt::print(kRow, markdown_cell(info.description),
               fmt::format("{:.2f} MiB", static_cast<double>(info.bytes) / (1 << 20)),
               fmt::format("{:.2f} M", static_cast<double>(info.parameters) / 1e6), info.tier, result.settings.threads,
               kv_type_name(result.settings.kv), result.test.name(),
               fmt::format("{:.2f} ± {:.2f}", result.mean_rate(), result.rate_deviation()));
  }
  void add_csv(const Json& result) {
    const auto line = [](const Json& row, const auto& cell) {
      std::string text;
      for (const auto& [key, value] : row.items()) {
        if (value.is_array()) continue;
        text += (text.empty() ? "" : ",") + csv_field(cell(key, value));
      }
      fmt::print("{}\n", text);
    };
    if (first_) line(result, [](const std::string& key, const Json&) { return key; });
    line(result, [](const std::string&, const Json& value) {
      return value.is_string() ? value.get<std::string>() : value.dump();
    });
  }

  Output output_;
  bool first_ = true;
  std::string last_model_;
};

/// Lists of files that commas separate, but a comma may also stand in a name: the longest that exists is meant.
std::vector<std::string> paths_of(const std::vector<std::string>& lists) {
  std::vector<std::string> paths;
  for (std::string rest : lists)
    while (!rest.empty()) {
      std::error_code absent;
      std::size_t end = rest.size();
      while (end != std::string::npos && !std::filesystem::exists(rest.substr(0, end), absent))
        end = end > 0 ? rest.rfind(',', end - 1) : std::string::npos;
      if (end == std::string::npos) end = std::min(rest.find(','), rest.size());
      paths.push_back(rest.substr(0, end));
      rest.erase(0, end + 1);
    }
  return paths;
}

void run(const BenchOptions& options) {
  if (options.pairs.size() % 2 != 0) throw UsageError("-pg: expected pairs of PROMPT,GEN");
  if (options.models.empty() && options.presets.empty())
    throw UsageError("nothing to run: name a file (-m) or a preset (--preset)");
  const std::vector<BenchTest> tests = tests_of(options);
  const std::vector<BenchSettings> settings = settings_of(options);
  Printer printer(options.output == "json"    ? Output::json
                  : options.output == "jsonl" ? Output::jsonl
                  : options.output == "csv"   ? Output::csv
                                              : Output::md);
  const auto run_model = [&](const Model& model, const ModelInfo& info) {
    for (const BenchSettings& setting : settings)
      for (const BenchTest& test : tests)
        if (generates(model.spec()) || (test.generate == 0 && test.depth == 0))
          printer.add(info, run_bench(model, test, setting));
        else
          print_warning(test.name() + " left out: the model makes embeddings and continues nothing");
  };
  LoadOptions load;
  load.repack = !options.no_repack;
  load.tokenizer = false;
  load.warning = print_warning;
  const auto types = [&](const char* otherwise) {
    return options.types.empty() ? std::vector<std::string>{otherwise} : options.types;
  };
  for (const std::string& path : paths_of(options.models))
    for (const std::string& type : types("")) {
      load.weights = type;
      const Model model = Model::load(path, load);
      ModelInfo info = describe(model);
      if (!type.empty()) info.description += " " + type;
      run_model(model, info);
    }
  for (const std::string& preset : options.presets)
    for (const std::string& type : types("q4_0")) {
      const ModelSpec spec = load_subject(preset).spec;
      const Model model = Model::random(spec, weight_types_by_name(type, spec), 0, {.repack = load.repack});
      ModelInfo info = describe(model);
      info.description += " " + type;
      run_model(model, info);
    }
  printer.finish();
}

}  // namespace

std::vector<std::string> bench_arguments(std::vector<std::string> arguments) {
  for (std::string& argument : arguments)
    for (const char* flag : {"-pg", "-ub", "-ctk", "-ctv"})
      if (argument == flag) argument.insert(0, "-");
  return arguments;
}

void add_bench(const Command& program) {
  const auto options = std::make_shared<BenchOptions>();
  const Command command = program.add_command("bench", "Speed of whole models, with the flags of llama-bench");
  const auto list = [&](const char* names, auto& values, const char* help) {
    return command.add_option(names, values, help).comma_separated().repeatable(64);
  };
  command.add_option("-m,--model", options->models, "Model files, separated by commas").repeatable(64);
  list("--preset", options->presets, "Random-weight models: presets or config.json files");
  list("--type", options->types,
       fmt::format("Weight types (default: as the file has them; random models q4_0): {}", kTypeHelp).c_str())
      .check(type_problem);
  list("-p,--n-prompt", options->prompts, "Prompt lengths (default 512; 0: none)").not_negative();
  list("-n,--n-gen", options->generated, "Tokens to generate (default 128; 0: none)").not_negative();
  list("--pg", options->pairs, "-pg PROMPT,GEN: a prompt and generation timed as one").positive();
  list("-d,--n-depth", options->depths, "Tokens already in the cache (default 0)").not_negative();
  list("-t,--threads", options->threads, "Threads (default 0: all)").range(0, 4096);
  list("-b,--batch-size", options->batches, "Largest number of rows in a pass, with -ub (default 2048)").positive();
  list("--ub,--ubatch-size", options->ubatches, "-ub: most rows of a pass (default 512)").positive();
  const std::string kv_help =
      "Types of keys and values: " + std::string(kKvTypeNames) + " (default f16, as llama-bench)";
  list("--kv", options->kv, kv_help.c_str()).check(kv_name_problem);
  list("--ctk,--cache-type-k", options->keys, "-ctk: the same as --kv").check(kv_name_problem);
  list("--ctv,--cache-type-v", options->values, "-ctv: the same as --kv; a cache has one type for both")
      .check(kv_name_problem);
  list("--batch", options->sequences, "Sequences side by side; speed is the total (default 1)").positive();
  command.add_option("-r,--repetitions", options->repetitions, "Timed repetitions (default 5)").positive();
  command.add_option("-o,--output", options->output, "md, json, jsonl or csv (default md)")
      .one_of({"md", "json", "jsonl", "csv"});
  command.add_flag("--no-warmup", options->no_warmup, "Do not run an untimed repetition first");
  command.add_flag("--no-repack", options->no_repack, "Use the file's weights in place");
  command.callback([options] { run(*options); });
}

}  // namespace plumb::cli
