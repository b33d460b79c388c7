// A page of every kind, of small models and made-up numbers: what it says first, what it marks, that parsers accept it.
// With PLUMB_PAGES=FOLDER the pages stay there, for a browser (browser_test.py) and for people.

#include "src/perf/pages.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/report.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::pages_test {
namespace {

/// Writes the page to where it is wanted and has it parsed where that can be done.
void keep(const std::string& name, const std::string& html) {
  const test::TempDir own;
  const char* folder = std::getenv("PLUMB_PAGES");
  const std::filesystem::path file = (folder ? std::filesystem::path(folder) : own.path()) / (name + ".html");
  page::write_file(file, html);
  EXPECT_EQ(html.find(">nan"), std::string::npos);
  EXPECT_EQ(html.find(">inf"), std::string::npos);
  EXPECT_LT(html.find("class=\"answer\""), html.find("<svg"));
  if (std::system("python3 -c 'import xml.etree, html.parser' 2>/dev/null") != 0) return;
  const std::string check = "python3 '" PLUMB_SOURCE_DIR "/tests/perf/check_page.py' '" + file.native() + "'";
  EXPECT_EQ(std::system(check.c_str()), 0) << name;
}

void expect_all(const std::string& html, const std::vector<const char*>& parts) {
  for (const char* part : parts) EXPECT_NE(html.find(part), std::string::npos) << part;
}

/// A card of made-up numbers.
ReportCard made_card(const std::string& type, double megabytes, double kl, double nll, double decode) {
  static const ModelSpec spec = preset_spec("stories-260k");
  ReportCard card;
  card.type = type;
  card.method = type == "base" ? "-" : "search";
  card.bytes = static_cast<std::uint64_t>(megabytes * 1e6);
  card.bits_per_weight = megabytes / 3.8;
  card.bytes_per_token = megabytes * 1e6;
  card.weight_nmse = kl / 10;
  card.output_nmse = kl / 8;
  card.logits.base.scored = 4000;
  card.logits.base.context = 256;
  card.logits.base.nll.value = 1.2;
  card.logits.other.nll.value = 1.2 + nll;
  card.logits.kl = {kl, kl / 50};
  card.logits.kl_99 = 9 * kl;
  card.logits.nll_difference = {nll, 0.0005};
  card.logits.top1 = {1 - 3 * kl, 0.002};
  card.speed.tier = "avx2";
  card.speed.threads = 2;
  card.speed.system.cpu = "A made-up processor";
  card.speed.decode.tokens = card.speed.decode.passes = 64;
  card.speed.decode.seconds = {64 / decode, 64.2 / decode, 63.9 / decode, 64.1 / decode};
  card.speed.prefill.tokens = 256;
  card.speed.prefill.passes = 1;
  card.speed.prefill.seconds = {25 / decode, 25.1 / decode, 25.05 / decode};
  if (type != "base")
    card.tensors = {{"blk.0.ffn_down.weight", {64, 172}, DType::f32, DType::q8_0, 11000, 1e-6, kl / 9, kl / 7}};
  return card;
}

std::vector<ReportCard> made_cards() {
  std::vector<ReportCard> cards = {made_card("base", 60.8, 0, 0, 410),
                                   made_card("q8_0", 32.3, 0.0004, 0.0001, 806),
                                   made_card("q6_k", 25.0, 0.0014, 0.0012, 921),
                                   made_card("q5_k_m", 21.2, 0.0051, 0.004, 1012),
                                   made_card("q4_k_m", 18.1, 0.021, 0.018, 1190),
                                   made_card("q4_0", 17.2, 0.034, 0.031, 1254),
                                   made_card("q3_k_m", 14.8, 0.092, 0.088, 1101),
                                   made_card("q2_k", 12.4, 0.12, 0.3, 1150)};
  cards[3].fallbacks.matrices = 40;
  cards[3].fallbacks.instead[DType::q5_1] = 12;
  cards[4].speed.decode.seconds = {0.05, 0.06, 0.08, 0.09};  // disturbed
  return cards;
}

TEST(Pages, CardsNameTheSmallestGoodOneAndWhatFellBack) {
  const std::string html = card_page(made_cards(), "models/<tiny>.gguf", {.when = 1.7e9, .json = "{\"cards\": []}"});
  expect_all(html, {"Report card of models/&lt;tiny&gt;.gguf", "9 tokens in 10) is Q5_K_M (12 of 40 tensors Q5_1)",
                    "21.2 MB instead of 60.8 MB", ">Q5_K_M*<", "card-speed-title", "card-memory-title",
                    "card-bars-title", "2023-11-14", "hollow", "data-cards-json", "tr class=\"best\""});
  keep("report-card", html);
  std::vector<ReportCard> bad = {made_card("base", 60, 0, 0, 400), made_card("q2_k", 12, 0.4, 0.4, 900)};
  expect_all(card_page(bad, "m", {}), {"None loses little"});
  expect_all(card_page(std::span(bad).first(1), "m", {}), {"The base alone"});
}

TEST(Pages, ExplanationsSayWhatTheTimeGoesTo) {
  const ModelSpec spec = preset_spec("stories-260k");
  const Model model = Model::random(spec, weight_types_by_name("q8_0", spec));
  ExplainOptions options{.prompt = 16, .tokens = 4, .repetitions = 1};
  options.session.threads = 1;
  const Explanation explanation = explain(model, test::round_machine(), options);
  const std::string html = explain_page(explanation, test::round_machine(), {.when = 1.7e9, .json = "{}"});
  expect_all(html, {"The most of it, ", "both-token-title", "both-prompt-title", "roof-token-title",
                    "roof-prompt-title", "share-token-title", "decode.csv", "prompt.csv", "why it is there"});
  keep("explain", html);
}

TEST(Pages, ForecastsBeginWithSpeedAndMemory) {
  const ModelSpec spec = preset_spec("llama-3.2-1b");
  ForecastOptions options;
  options.weights = weight_types_by_name("q4_0", spec);
  const Machine machine = test::round_machine();
  const std::string html = forecast_page(forecast(spec, options, machine), options, machine, "Llama-3.2-1B", "q4_0",
                                         {.when = 1.7e9, .json = "{}"});
  expect_all(html, {"Llama-3.2-1B in q4_0 would write ", " tokens/s (", "memory-title", "roof-token-title", "predicted",
                    "summary.csv"});
  keep("forecast", html);
}

TEST(Pages, BenchesTellSettingsApart) {
  std::vector<BenchLine> lines;
  for (const int threads : {1, 2})
    for (const BenchTest test : {BenchTest{512, 0}, {0, 128}, {0, 128, 4096}, {256, 64}}) {
      BenchResult result{test, {.threads = threads}, {}};
      const double second = 0.4 / threads * (test.generate > 0 ? 4 : 1);
      result.seconds = {second, 1.01 * second, threads == 2 ? 1.3 * second : second, 1.02 * second};
      lines.push_back({"stories15M Q4_0", 17.2e6, 15.2e6, result, "avx2"});
    }
  SystemInfo system;
  system.cpu = "A made-up processor";
  system.usable = 2;
  system.load_average = 3.4;
  const std::string html = bench_page(lines, system, {.when = 1.7e9, .json = "[]"});
  expect_all(html, {"The fastest is stories15M Q4_0, 2 threads: 150 tokens/s writing 128 tokens.",
                    "stories15M Q4_0, 1 thread<", "writing 128 behind 4096", "The machine was not idle",
                    "bench-0-title", "bench-1-title", "bench.csv", "hollow"});
  keep("bench", html);
  expect_all(bench_page({}, system, {}), {"Nothing ran."});
}

SweepOptions tiny_sweep(Dimension dimension) {
  SweepOptions options;
  options.dimension = dimension;
  options.base = preset_spec("stories-260k");
  options.measure.prompt = 4;
  options.measure.tokens = 2;
  options.measure.repetitions = 3;
  options.measure.session.threads = 1;
  options.machine = test::round_machine();
  return options;
}

TEST(Pages, SweepsShowTypesBesideSizes) {
  SweepOptions depth = tiny_sweep(Dimension::depth), types = tiny_sweep(Dimension::type);
  depth.types = {"f16", "q8_0"};
  types.types = {"f16", "q8_0", "q5_1", "q4_1", "q4_0", "q4_k", "iq4_nl"};
  const Sweep by_depth = run_sweep(depth), by_type = run_sweep(types);
  const std::string html = report_page({by_depth, depth.machine, 1700000000, &by_type, "{}"}).html;
  expect_all(html, {"A token takes ", "types-token-title", "latency-token-title", "ratio-title", "types.csv", "Q4_K (",
                    "Their rows do not divide"});
  keep("sweep", html);
  keep("types", report_page({by_type, types.machine, 1700000000}).html);
}

}  // namespace
}  // namespace plumb::pages_test
