/// Loading a tokenizer, on up to four threads (OMP_NUM_THREADS), and encoding a text on one:
///
///   PLUMB_TOKENIZER=FOLDER_OR_TOKENIZER.JSON PLUMB_TEXT=FILE tokenizer_bench

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "plumb/text/tokenizer_folder.hpp"

namespace {

namespace fs = std::filesystem;

/// The path in an environment variable, or nothing after telling the benchmark.
fs::path path_in(const char* variable, benchmark::State& state) {
  const char* const path = std::getenv(variable);
  if (!path) state.SkipWithError((std::string(variable) + " is not set").c_str());
  return path ? path : "";
}

plumb::Tokenizer load(const fs::path& path) {
  return fs::is_directory(path) ? plumb::tokenizer_from_folder(path) : plumb::tokenizer_from_json_file(path);
}

void load_tokenizer(benchmark::State& state) {
  const fs::path path = path_in("PLUMB_TOKENIZER", state);
  if (path.empty()) return;
  for (auto _ : state) benchmark::DoNotOptimize(load(path).size());
}
BENCHMARK(load_tokenizer)->Unit(benchmark::kMillisecond)->UseRealTime();

void encode_text(benchmark::State& state) {
  const fs::path path = path_in("PLUMB_TOKENIZER", state), file = path_in("PLUMB_TEXT", state);
  if (path.empty() || file.empty()) return;
  const plumb::Tokenizer tokenizer = load(path);
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::size_t tokens = 0;
  for (auto _ : state) tokens = tokenizer.encode(text).size();
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}
BENCHMARK(encode_text)->Unit(benchmark::kMillisecond);

}  // namespace
