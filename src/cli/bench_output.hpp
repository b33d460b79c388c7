#pragma once
/// Results of `plumb bench` as they come in: as llama-bench prints them, and as every other command does.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "json_output.hpp"
#include "plumb/perf/bench.hpp"

namespace plumb::cli {

/// What is said of a model beside every result.
struct BenchModel {
  std::string source, description, types;
  std::size_t bytes = 0;
  std::int64_t parameters = 0;
  std::string tier;
  std::vector<std::string> slow;  ///< types without a fast path
};

/// A result, with -b and -ub as they were given.
struct BenchRow {
  BenchModel model;
  BenchResult result;
  int batch = 0, ubatch = 0;
};

/// What all rows have in common.
struct BenchRun {
  Json settings;
  bool show_batch = false, show_ubatch = false;  ///< columns of the table
  bool say_types = true;                         ///< of each model, on stderr
};

/// Where results go.
class BenchPrinter {
 public:
  virtual ~BenchPrinter() = default;
  virtual void add(const BenchRow& row) = 0;
  virtual void finish() {}
};

/// The formats of -o: md, csv, json (an array), jsonl, sql and none; "document": one JSON object of all rows.
inline constexpr std::string_view kBenchFormats[] = {"md", "csv", "json", "jsonl", "sql", "none"};

/// A printer to `out`; null for "none".
std::unique_ptr<BenchPrinter> bench_printer(std::string_view format, std::FILE* out, const BenchRun& run);

}  // namespace plumb::cli
