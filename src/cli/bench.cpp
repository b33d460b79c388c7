/// `plumb bench`: speed of whole models, with the flags and test names of llama-bench.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "../perf/pages.hpp"
#include "bench_flags.hpp"
#include "bench_output.hpp"
#include "commands.hpp"
#include "html_option.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/perf/bench.hpp"
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/subject.hpp"
#include "plumb/perf/system_info.hpp"
#include "progress.hpp"
#include "say.hpp"

namespace plumb::cli {
namespace {

struct BenchOptions {
  std::vector<std::string> models, presets, types, kv, keys, values;
  std::vector<std::string> prompts, generated, pairs, depths, threads, batches, ubatches, sequences;
  int repetitions = 5;
  double delay = 0;
  bool no_warmup = false, no_repack = false, progress = false, list_devices = false;
  std::string output = "md", error_output = "none", html;
  ForeignFlags foreign;
};

/// How one row is run, with -b and -ub as they were given.
struct Setting {
  BenchSettings run;
  int batch = 0, ubatch = 0;
};

BenchModel describe(const Model& model) {
  BenchModel info;
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

/// A pair of -pg.
BenchTest pair_of(const std::string& text) {
  const std::vector<int> numbers = parse_numbers(text, "-pg");
  if (numbers.size() != 2 || numbers[0] + numbers[1] == 0)
    throw Error(ErrorCode::invalid_argument, "-pg is " + quote(text) + ", expected a pair such as 512,128");
  return {numbers[0], numbers[1]};
}

/// -p, -n and -pg, times -d and --sequences.
std::vector<BenchTest> tests_of(const BenchOptions& options) {
  std::vector<BenchTest> kinds;
  for (const int prompt : all_numbers(options.prompts, {512}))
    if (prompt != 0) kinds.push_back({prompt, 0});
  for (const int generate : all_numbers(options.generated, {128}))
    if (generate != 0) kinds.push_back({0, generate});
  for (const std::string& pair : options.pairs) kinds.push_back(pair_of(pair));
  std::vector<BenchTest> tests;
  for (const int sequences : all_numbers(options.sequences, {1}))
    for (const int depth : all_numbers(options.depths, {0}))
      for (BenchTest test : kinds) {
        test.depth = depth;
        test.sequences = sequences;
        tests.push_back(test);
      }
  if (tests.empty()) throw UsageError("nothing to time: -p and -n are 0, and there is no -pg");
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
  return kv.empty() ? std::vector<DType>{kUsualKv} : kv;
}

constexpr int kBatch = 2048, kUbatch = 512;

std::vector<Setting> settings_of(const BenchOptions& options) {
  std::vector<Setting> all;
  for (const int threads : all_numbers(options.threads, {0}))
    for (const int batch : all_numbers(options.batches, {kBatch}))
      for (const int ubatch : all_numbers(options.ubatches, {kUbatch}))
        for (const DType kv : kv_types_of(options))
          all.push_back(
              {{threads, std::min(batch, ubatch), kv, options.repetitions, !options.no_warmup}, batch, ubatch});
  return all;
}

/// Whether any row has another value than llama-bench's default.
bool shows(const std::vector<Setting>& settings, int Setting::*value, int usual) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& s) { return s.*value != usual; });
}

BenchRun run_of(const BenchOptions& options, const std::vector<Setting>& settings) {
  return {.settings = {{"repetitions", options.repetitions},
                       {"warmup", !options.no_warmup},
                       {"repack", !options.no_repack},
                       {"delay_seconds", options.delay}},
          .show_batch = shows(settings, &Setting::batch, kBatch),
          .show_ubatch = shows(settings, &Setting::ubatch, kUbatch),
          .say_types = options.error_output == "none"};
}

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

/// Runs all tests of one model after the other.
class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        tests_(tests_of(options)),
        settings_(settings_of(options)),
        progress_(options.progress ? ShowProgress::always : ShowProgress::on_terminal) {
    const BenchRun run = run_of(options, settings_);
    printers_.push_back(bench_printer(options.output, stdout, run));
    printers_.push_back(bench_printer(options.error_output, stderr, run));
    if (options.html.empty()) return;
    document_.reset(::open_memstream(&json_.text, &json_.bytes));
    if (!document_) throw Error(ErrorCode::out_of_memory, "no memory for the page");
    printers_.push_back(bench_printer("document", document_.get(), run));
  }

  /// Rows of `models` models are to come.
  void expect(std::size_t models) { expected_ = models * settings_.size() * tests_.size(); }

  void run(const Model& model, const BenchModel& info) {
    for (const Setting& setting : settings_)
      for (const BenchTest& test : tests_) {
        if (!generates(model.spec()) && (test.generate > 0 || test.depth > 0)) {
          print_warning(test.name() + " left out: the model makes embeddings and continues nothing");
          ++done_;
          continue;
        }
        if (done_ > 0 && options_.delay > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options_.delay));
        progress_.show(static_cast<double>(done_++) / static_cast<double>(expected_),
                       info.description + " " + test.name());
        const BenchRow row{info, run_bench(model, test, setting.run), setting.batch, setting.ubatch};
        for (const auto& printer : printers_)
          if (printer) printer->add(row);
        if (document_) lines_.push_back(line_of(row));
      }
  }
  void finish() {
    for (const auto& printer : printers_)
      if (printer) printer->finish();
  }

  /// All results as a page, after finish().
  std::string page() {
    std::fflush(document_.get());
    return bench_page(lines_, read_system_info(), {.when = now_of_page(), .json = {json_.text, json_.bytes}});
  }

 private:
  /// A text that grows as it is printed to.
  struct Printed {
    ~Printed() { std::free(text); }
    char* text = nullptr;
    std::size_t bytes = 0;
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  /// With the type of most matrices: "stories15M Q4_0".
  static BenchLine line_of(const BenchRow& row) {
    const BenchModel& m = row.model;
    const std::string type = m.types.substr(0, m.types.find(':'));
    return {m.description.ends_with(type) ? m.description : m.description + ' ' + type, static_cast<double>(m.bytes),
            static_cast<double>(m.parameters), row.result, m.tier};
  }

  const BenchOptions& options_;
  const std::vector<BenchTest> tests_;
  const std::vector<Setting> settings_;
  Progress progress_;
  std::vector<std::unique_ptr<BenchPrinter>> printers_;
  Printed json_;
  std::unique_ptr<std::FILE, Close> document_;  ///< into json_, for the page
  std::vector<BenchLine> lines_;
  std::size_t done_ = 0, expected_ = 1;
};

void run(const BenchOptions& options) {
  for (const std::string& note : options.foreign.notes()) print_warning(note);
  if (options.list_devices) return put("CPU: {}\n", read_system_info().cpu);
  if (options.models.empty() && options.presets.empty())
    throw UsageError("nothing to run: name a file (-m) or a preset (--preset)");
  std::unique_ptr<Bench> bench;
  as_usage([&] {
    bench = std::make_unique<Bench>(options);
    return 0;
  });
  LoadOptions load;
  load.repack = !options.no_repack;
  load.tokenizer = false;
  load.warning = print_warning;
  const auto types = [&](const char* otherwise) {
    return options.types.empty() ? std::vector<std::string>{otherwise} : options.types;
  };
  const std::vector<std::string> paths = paths_of(options.models);
  bench->expect((paths.size() + options.presets.size()) * types("").size());
  for (const std::string& path : paths)
    for (const std::string& type : types("")) {
      load.weights = type;
      const Model model = Model::load(path, load);
      BenchModel info = describe(model);
      if (!type.empty()) info.description += " " + type;
      bench->run(model, info);
    }
  for (const std::string& preset : options.presets)
    for (const std::string& type : types("q4_0")) {
      const ModelSpec spec = load_subject(preset).spec;
      const Model model = Model::random(spec, weight_types_by_name(type, spec), 0, {.repack = load.repack});
      BenchModel info = describe(model);
      info.description += " " + type;
      bench->run(model, info);
    }
  bench->finish();
  if (!options.html.empty()) write_page(options.html, bench->page());
}

}  // namespace

void add_bench(const Command& program) {
  const auto options = std::make_shared<BenchOptions>();
  const Command command = program.add_command("bench", "Speed of whole models, with the flags of llama-bench");
  const auto list = [&](const std::string& names, std::vector<std::string>& values, const std::string& help) {
    return command.add_option(names, values, help).comma_separated().repeatable(64);
  };
  const auto numbers = [&](const char* names, std::vector<std::string>& values, const char* help, int low = 0) {
    command.add_option(names, values, help)
        .repeatable(64)
        .type_name("N,...")
        .check(readable_by([low](const std::string& text) {
          for (const int number : parse_numbers(text, "the list"))
            if (number < low) throw Error(ErrorCode::invalid_argument, "expected numbers above 0, not " + quote(text));
          return 0;
        }));
  };
  command.add_option("-m,--model", options->models, "Model files, separated by commas")
      .repeatable(64)
      .type_name("FILE,...");
  list("--preset", options->presets, "Random-weight models: presets or config.json files");
  list("--type", options->types,
       fmt::format("Weight types (default: as the file has them; random models q4_0): {}", kTypeHelp))
      .check(type_problem);
  numbers("-p,--n-prompt,--prompt", options->prompts,
          "Prompt lengths (default 512; 0: none); lists and ranges of all "
          "numbers here: 1,2,4 or 32-128*2 or 64-256+64 or 8k");
  numbers("-n,--n-gen,--n-predict", options->generated, "Tokens to generate (default 128; 0: none)");
  command.add_option("--pg", options->pairs, "-pg PROMPT,GEN: a prompt and generation timed as one")
      .repeatable(64)
      .type_name("N,N")
      .check(readable_by(pair_of));
  numbers("-d,--n-depth,--depth", options->depths, "Tokens already in the cache (default 0)");
  numbers("-t,--threads", options->threads, "Threads (default 0: OMP_NUM_THREADS, or all processors)");
  numbers("-b,--batch-size", options->batches, "Most rows of a pass, with -ub (default 2048); a column where it varies",
          1);
  numbers("--ub,--ubatch-size", options->ubatches, "-ub: most rows of a pass (default 512)", 1);
  list("--kv", options->kv, kv_help()).check(kv_name_problem);
  list("--ctk,--cache-type-k", options->keys, "-ctk: the same as --kv").check(kv_name_problem);
  list("--ctv,--cache-type-v", options->values, "-ctv: the same as --kv; a cache has one type for both")
      .check(kv_name_problem);
  numbers("--sequences", options->sequences, "Sequences decoded side by side; speed is the total (default 1)", 1);
  add_repetitions(command, options->repetitions, "Timed repetitions");
  command.add_option("--delay", options->delay, "Seconds to wait between two tests").not_negative().show_default();
  const std::vector<std::string> formats(std::begin(kBenchFormats), std::end(kBenchFormats));
  command.add_option("-o,--output", options->output, "Results on stdout as md, csv, json, jsonl, sql or none")
      .one_of(formats, {.in_help = false})
      .type_name("FORMAT")
      .show_default();
  command.add_option("--oe,--output-err", options->error_output, "-oe: results on stderr as well, in the same formats")
      .one_of(formats, {.in_help = false})
      .type_name("FORMAT")
      .show_default();
  command
      .add_option_function(
          "--format",
          [options](const std::string& name) {
            options->output = name == "json" ? "document" : name == "csv" ? "csv" : "md";
          },
          "Output as text, json, csv or md, as in every command: json is one document (default text)")
      .one_of({"text", "json", "csv", "md"}, {.in_help = false})
      .type_name("FORMAT")
      .excludes("--output");
  command.add_flag("--progress", options->progress, "Show progress on stderr even if it is not a terminal");
  add_html(command, options->html);
  command.add_flag("--no-warmup", options->no_warmup, "Do not run an untimed repetition first");
  command.add_flag("--no-repack", options->no_repack, "Use the file's weights in place");
  command.add_flag("--list-devices", options->list_devices, "Say what the models run on, and no more");
  options->foreign.add(command);
  command.callback([options] { run(*options); });
}

}  // namespace plumb::cli
