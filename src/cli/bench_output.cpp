#include "bench_output.hpp"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "plumb/cpu/kv_type.hpp"
#include "say.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

double mean_ns(const BenchResult& result) {
  return 1e9 * std::accumulate(result.seconds.begin(), result.seconds.end(), 0.0) /
         static_cast<double>(result.seconds.size());
}

double deviation_ns(const BenchResult& result) {
  if (result.seconds.size() < 2) return 0;
  const double mean = mean_ns(result);
  double power = 0;
  for (const double s : result.seconds) power += (1e9 * s - mean) * (1e9 * s - mean);
  return std::sqrt(power / static_cast<double>(result.seconds.size() - 1));
}

/// A row by the names of llama-bench, where it has them.
Json fields_of(const BenchRow& row) {
  const auto& [model, result, batch, ubatch] = row;
  Json samples_ns = Json::array();
  for (const double s : result.seconds) samples_ns.push_back(static_cast<std::int64_t>(s * 1e9));
  return {{"test", result.test.name()},
          {"model_filename", model.source},
          {"model_type", model.description},
          {"model_size", model.bytes},
          {"model_n_params", model.parameters},
          {"weight_types", model.types},
          {"without_fast_path", model.slow},
          {"isa", model.tier},
          {"backends", "CPU"},
          {"n_gpu_layers", 0},
          {"n_threads", result.settings.threads},
          {"n_batch", batch},
          {"n_ubatch", ubatch},
          {"n_rows", result.settings.batch},
          {"type_k", kv_type_name(result.settings.kv)},
          {"type_v", kv_type_name(result.settings.kv)},
          {"n_prompt", result.test.prompt},
          {"n_gen", result.test.generate},
          {"n_depth", result.test.depth},
          {"n_sequences", result.test.sequences},
          {"avg_ns", static_cast<std::int64_t>(mean_ns(result))},
          {"stddev_ns", static_cast<std::int64_t>(deviation_ns(result))},
          {"avg_ts", result.mean_rate()},
          {"stddev_ts", result.rate_deviation()},
          {"samples_ns", std::move(samples_ns)},
          {"samples_ts", result.rates()}};
}

/// What stands in a line of CSV or SQL: the fields that are one value each, and from the head which program on which
/// processor and when.
Json flat(const BenchRow& row, const BenchRun& run) {
  const Json head = json_head("bench", run.settings);
  Json line = {{"build_commit", head["program"]["build"]},
               {"build_number", head["program"]["version"]},
               {"cpu_info", head["machine"]["cpu"]},
               {"test_time", head["time"]}};
  const Json fields = fields_of(row);
  for (const auto& [key, value] : fields.items())
    if (!value.is_array()) line[key] = value;
  return line;
}

/// Prints what to() makes of a row, when it is known.
class Printer : public BenchPrinter {
 public:
  Printer(std::FILE* out, const BenchRun& run) : out_(out), run_(run) {}

 protected:
  template <typename... Parts>
  void print(fmt::format_string<Parts...> text, Parts&&... parts) {
    wipe_progress();
    fmt::print(out_, text, std::forward<Parts>(parts)...);
  }
  void flush() {
    first_ = false;
    std::fflush(out_);
  }
  static std::string text_of(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
  }
  /// A row that stands alone, with the head.
  Json whole(const BenchRow& row) const {
    Json json = json_head("bench", run_.settings);
    json.update(fields_of(row));
    return json;
  }

  std::FILE* out_;
  const BenchRun run_;
  bool first_ = true;
};

class Markdown final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override {
    const auto& [model, result, batch, ubatch] = row;
    if (first_) heading();
    if (run_.say_types && model.source + model.description + model.types != last_model_) {
      last_model_ = model.source + model.description + model.types;
      say("{}: {}\n", model.source, model.types);
      for (const std::string& slow : model.slow) say("{}: no fast path for {}\n", model.source, slow);
    }
    std::string line =
        fmt::format("| {:<24} | {:>10} | {:>8} | {:<11} | {:>7} | {:<4} |", markdown_cell(model.description),
                    fmt::format("{:.2f} MiB", static_cast<double>(model.bytes) / (1 << 20)),
                    fmt::format("{:.2f} M", static_cast<double>(model.parameters) / 1e6), model.tier,
                    result.settings.threads, kv_type_name(result.settings.kv));
    if (run_.show_batch) line += fmt::format(" {:>7} |", batch);
    if (run_.show_ubatch) line += fmt::format(" {:>8} |", ubatch);
    print("{} {:<18} | {:>20} |\n", line, result.test.name(),
          fmt::format("{:.2f} ± {:.2f}", result.mean_rate(), result.rate_deviation()));
    flush();
  }

 private:
  void heading() {
    std::string titles = fmt::format("| {:<24} | {:>10} | {:>8} | {:<11} | {:>7} | {:<4} |", "model", "size", "params",
                                     "tier", "threads", "kv");
    std::string rule =
        fmt::format("| {:-<24} | {:->10} | {:->8} | {:-<11} | {:->7} | {:-<4} |", "", ":", ":", "", ":", "");
    if (run_.show_batch) {
      titles += " n_batch |";
      rule += " ------: |";
    }
    if (run_.show_ubatch) {
      titles += " n_ubatch |";
      rule += " -------: |";
    }
    print("{} {:<18} | {:>20} |\n", titles, "test", "t/s");
    print("{} {:-<18} | {:->20} |\n", rule, "", ":");
  }

  std::string last_model_;
};

class Csv final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override {
    std::string titles, values;
    const Json line = flat(row, run_);
    for (const auto& [key, value] : line.items()) {
      titles += (titles.empty() ? "" : ",") + csv_field(key);
      values += (values.empty() ? "" : ",") + csv_field(value.is_string() ? value.get<std::string>() : value.dump());
    }
    if (first_) print("{}\n", titles);
    print("{}\n", values);
    flush();
  }
};

class JsonArray final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override {
    print("{}{}", first_ ? "[\n" : ",\n", text_of(whole(row), 2));
    flush();
  }
  void finish() override {
    print("{}]\n", first_ ? "[" : "\n");
    flush();
  }
};

class JsonLines final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override {
    print("{}\n", text_of(whole(row), -1));
    flush();
  }
};

class Document final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override { results_.push_back(fields_of(row)); }
  void finish() override {
    print("{}", json_document("bench", run_.settings, {{"results", results_}}));
    flush();
  }

 private:
  Json results_ = Json::array();
};

/// The table has the name that tools for llama-bench look for.
class Sql final : public Printer {
 public:
  using Printer::Printer;
  void add(const BenchRow& row) override {
    std::string columns, names, values;
    const Json line = flat(row, run_);
    for (const auto& [key, value] : line.items()) {
      const char* const type = value.is_number_float() ? "REAL" : value.is_number() ? "INTEGER" : "TEXT";
      columns += fmt::format("{}\n  {} {}", columns.empty() ? "" : ",", key, type);
      names += (names.empty() ? "" : ", ") + key;
      values += (values.empty() ? "" : ", ") + (value.is_string() ? quoted(value.get<std::string>()) : value.dump());
    }
    if (first_) print("CREATE TABLE IF NOT EXISTS llama_bench ({}\n);\n\n", columns);
    print("INSERT INTO llama_bench ({}) VALUES ({});\n", names, values);
    flush();
  }

 private:
  static std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
  }
};

}  // namespace

std::unique_ptr<BenchPrinter> bench_printer(std::string_view format, std::FILE* out, const BenchRun& run) {
  if (format == "csv") return std::make_unique<Csv>(out, run);
  if (format == "json") return std::make_unique<JsonArray>(out, run);
  if (format == "jsonl") return std::make_unique<JsonLines>(out, run);
  if (format == "sql") return std::make_unique<Sql>(out, run);
  if (format == "document") return std::make_unique<Document>(out, run);
  if (format == "none") return nullptr;
  return std::make_unique<Markdown>(out, run);
}

}  // namespace plumb::cli
