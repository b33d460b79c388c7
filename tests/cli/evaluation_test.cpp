/// plumb perplexity, compare-logits, calibrate, report-card and quantize --report as their users call them.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/fixtures.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::evaluation_test {
namespace {

using nlohmann::json;
using test::run_plumb;

/// A model with random weights and a vocabulary, and a text.
class Evaluation : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_plumb({"synth", "stories-260k", model, "--type", "f32", "--seed", "7"}).exit_code, 0);
    std::string words;
    for (int i = 0; i < 400; ++i) words += "word " + std::to_string(i * 7919 % 1000) + (i % 9 == 0 ? ".\n" : " ");
    text = dir.file("text.txt", words).native();
  }
  test::TempDir dir;
  std::string model = (dir / "m.gguf").native(), text;
};

TEST_F(Evaluation, PerplexityInEveryFormat) {
  for (const std::string format : {"text", "json", "csv", "md"}) {
    const auto run = run_plumb({"perplexity", model, "--text", text, "--ctx", "32", "-t", "1", "--format", format});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    if (format != "json") {
      EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), format == "md" ? 3 : 2) << run.out;
      continue;
    }
    const json result = json::parse(run.out);
    EXPECT_EQ(result["context"], 32);
    EXPECT_EQ(result["scored_tokens"].get<int>(), result["text_tokens"].get<int>() / 32 * 15);
    EXPECT_GT(result["perplexity_error"], 0);
  }
  const auto strided =
      run_plumb({"perplexity", model, "--text", text, "--ctx", "32", "-t", "1", "--stride", "16", "--format", "json"});
  const json result = json::parse(strided.out);
  EXPECT_GT(result["scored_tokens"].get<int>(), result["text_tokens"].get<int>() - 17);
}

TEST_F(Evaluation, CompareLogitsOfAModelWithItselfAndWithASmallerOne) {
  const std::string small = (dir / "small.gguf").native();
  ASSERT_EQ(run_plumb({"quantize", model, small, "--type", "q4_0", "--quiet"}).exit_code, 0);
  const auto compare = [&](const std::string& other) {
    const auto run =
        run_plumb({"compare-logits", model, other, "--text", text, "--ctx", "64", "-t", "1", "--format", "json"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return json::parse(run.out);
  };
  const json same = compare(model), other = compare(small);
  EXPECT_EQ(same["kl_mean"]["value"], 0);
  EXPECT_EQ(same["top1_agreement"]["value"], 1);
  EXPECT_GT(other["kl_mean"]["value"], 0);
  EXPECT_GT(other["kl_max"], other["kl_median"]);
  EXPECT_GT(other["logits_nmse"]["value"], 0);
  EXPECT_EQ(other["base_perplexity"], same["base_perplexity"]);
}

TEST_F(Evaluation, CalibrationFeedsTheQuantizer) {
  const std::string imatrix = (dir / "i.gguf").native();
  const auto calibrate = run_plumb({"calibrate", model, "--text", text, "--out", imatrix, "--ctx", "64", "-t", "1"});
  ASSERT_EQ(calibrate.exit_code, 0) << calibrate.err;
  const auto quantize =
      run_plumb({"quantize", model, (dir / "q.gguf").native(), "--type", "q4_0", "--imatrix", imatrix});
  ASSERT_EQ(quantize.exit_code, 0) << quantize.err;
  EXPECT_EQ(quantize.err.find("no importance for tensor 'blk"), std::string::npos) << quantize.err;
}

TEST_F(Evaluation, ReportCardsAreTables) {
  const auto run = run_plumb({"report-card", model, "--types", "q8_0,q4_0", "--methods", "nearest,search+imatrix",
                              "--text", text, "--ctx", "64", "-t", "1", "--format", "json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const json cards = json::parse(run.out)["cards"];
  ASSERT_EQ(cards.size(), 1u + 2 * 2);
  EXPECT_EQ(cards[0]["type"], "base");
  EXPECT_EQ(cards[2]["method"], "search+imatrix");
  for (const json& card : cards) {
    EXPECT_GT(card["decode_tokens_per_second"], 0);
    EXPECT_GT(card["bytes_per_token"], 0);
  }
  EXPECT_LT(cards[1]["logits"]["kl_mean"]["value"], cards[3]["logits"]["kl_mean"]["value"]);
  EXPECT_LT(cards[3]["bits_per_weight"], cards[1]["bits_per_weight"]);
  EXPECT_GT(cards[4]["tensors"].size(), 30u);
}

TEST_F(Evaluation, ReportCardsArePagesThatTellFallbacks) {
  const std::string html = (dir / "card.html").native();
  const auto run = run_plumb(
      {"report-card", model, "--types", "q8_0,q4_k_m", "--text", text, "--ctx", "64", "-t", "1", "--html", html});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.out.find("q4_k_m ("), std::string::npos) << "rows of 64 hold no block of 256:\n" << run.out;
  const std::string page = test::read_file(html);
  for (const char* part : {"class=\"answer\">", "Q4_K_M*", "tensors not: ", "card-speed", "card-memory", "cards.csv"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  const auto refused = run_plumb({"report-card", model, "--types", "q8_0", "--text", text, "--ctx", "64", "-t", "1",
                                  "--html", (dir / "absent" / "card.html").native()});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
}

TEST_F(Evaluation, QuantizeWritesAReport) {
  const std::string out = (dir / "q.gguf").native();
  for (const std::string ending : {".json", ".md", ".csv", ".html"}) {
    const std::string report = (dir / ("card" + ending)).native();
    const auto run = run_plumb(
        {"quantize", model, out, "--type", "q4_0", "--report", report, "--text", text, "--threads", "1", "--quiet"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    const std::string written = test::read_file(report);
    if (ending == ".json") {
      EXPECT_EQ(json::parse(written)["cards"].size(), 2u);
    } else {
      EXPECT_NE(written.find(ending == ".html" ? "output error" : "output NMSE"), std::string::npos) << written;
    }
  }
}

TEST_F(Evaluation, BadRequestsAreRefused) {
  const std::string out = (dir / "q.gguf").native();
  EXPECT_EQ(run_plumb({"perplexity", model}).exit_code, 2);
  EXPECT_EQ(run_plumb({"perplexity", model, "--text", (dir / "absent").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"perplexity", model, "--text", text, "--ctx", "100000"}).exit_code, 1);
  EXPECT_EQ(run_plumb({"perplexity", model, "--text", dir.file("short", "a").native()}).exit_code, 1);
  const std::string absent = (dir / "absent.gguf").native();  // usage is looked at before the model
  EXPECT_EQ(run_plumb({"perplexity", absent, "--text", text, "--ctx", "32", "--stride", "33"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"perplexity", absent, "--text", text, "--stride", "513"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"compare-logits", absent, absent, "--text", text, "--stride", "513"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"report-card", absent, "--text", text, "--stride", "513"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"perplexity", absent, "--text", text, "--ctx", "32", "--stride", "32"}).exit_code, 1);
  EXPECT_EQ(run_plumb({"quantize", model, out, "--report", "card.json"}).exit_code, 2) << "a report needs a text";
  EXPECT_EQ(run_plumb({"quantize", model, out, "--report", "card.txt", "--text", text}).exit_code, 2);
  EXPECT_EQ(run_plumb({"report-card", model, "--types", "q99", "--text", text}).exit_code, 2);
  EXPECT_EQ(run_plumb({"report-card", model, "--methods", "magic", "--text", text}).exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(out));
}

}  // namespace
}  // namespace plumb::evaluation_test
