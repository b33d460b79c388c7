// The report card on a real trained model: what must be ordered is ordered, and the parts agree with each other.

#include "plumb/perf/report_card.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"

namespace plumb::report_card_test {
namespace {

std::filesystem::path stories(const std::string& name) { return test::fixtures_dir() / "stories" / name; }

Reporter story_reporter() {
  // A part of the calibration text is enough, and quick.
  ReportOptions options{.text = test::read_file(stories("text.txt")),
                        .calibration = test::read_file(stories("calib.txt")).substr(0, 20000)};
  options.windows = {.context = 256, .stride = 256};
  options.session.threads = 1;  // teams are for larger models
  options.speed = {.prompt = 8, .tokens = 2, .repetitions = 1};
  return Reporter(stories("stories260K-f32.gguf"), std::move(options));
}

TEST(ReportCardOfStories, MoreBitsAreBetterAndImportanceHelps) {
  PLUMB_REQUIRE_FIXTURES();
  Reporter reporter = story_reporter();
  std::map<std::string, ReportCard> cards;
  const auto card = [&](const std::string& type, const std::string& method) -> const ReportCard& {
    auto [place, made] = cards.try_emplace(type + " " + method);
    if (made) place->second = reporter.card_of(type, method);
    return place->second;
  };
  const auto kl = [&](const std::string& type, const std::string& method) {
    return card(type, method).logits.kl.value;
  };
  EXPECT_LT(kl("q8_0", "search"), kl("q5_0", "search"));
  EXPECT_LT(kl("q5_1", "search"), kl("q4_1", "search"));
  EXPECT_LT(kl("q5_0", "search"), kl("q4_0", "search"));
  EXPECT_LT(card("q8_0", "search").weight_nmse, card("q5_0", "search").weight_nmse);
  EXPECT_LT(card("q5_0", "search").weight_nmse, card("q4_0", "search").weight_nmse);
  EXPECT_LT(card("q4_0", "search").weight_nmse, card("q4_0", "nearest").weight_nmse);
  for (const std::string type : {"q4_0", "q4_1", "iq4_nl"}) {
    SCOPED_TRACE(type);
    // Importance trades weight error for output error.
    EXPECT_GT(card(type, "search+imatrix").weight_nmse, card(type, "search").weight_nmse);
    EXPECT_LT(card(type, "search+imatrix").output_nmse, card(type, "search").output_nmse);
    EXPECT_LT(kl(type, "search+imatrix"), kl(type, "search"));
    EXPECT_LT(card(type, "gptq").output_nmse, card(type, "search+imatrix").output_nmse);
    EXPECT_LT(kl(type, "gptq"), kl(type, "search+imatrix"));
  }
  EXPECT_LT(kl("q4_1", "search"), kl("q4_1", "nearest"));
  EXPECT_LT(kl("iq4_nl", "search"), kl("iq4_nl", "nearest"));
}

// Random weights, 256 wide: the types with blocks of 256 fit.
TEST(ReportCardOfRandomWeights, MoreBitsAreBetter) {
  PLUMB_REQUIRE_FIXTURES();
  ReportOptions options{.text = test::read_file(stories("text.txt")).substr(0, 1500)};
  options.windows = {.context = 128, .stride = 128};
  options.session.threads = 1;
  options.speed = {.prompt = 1, .tokens = 1, .repetitions = 1};
  const std::vector<std::string> types = {"q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"}, methods = {"search"};
  const std::vector<ReportCard> cards =
      report_cards(test::fixtures_dir() / "quant-models" / "F32.gguf", types, methods, options);
  ASSERT_EQ(cards.size(), types.size() + 1);
  for (std::size_t i = 1; i < cards.size(); ++i) {
    SCOPED_TRACE(cards[i].type);
    EXPECT_LT(cards[i].bits_per_weight, cards[i - 1].bits_per_weight);
    EXPECT_LT(cards[i].bytes_per_token, cards[i - 1].bytes_per_token);
    EXPECT_GT(cards[i].weight_nmse, cards[i - 1].weight_nmse);
    EXPECT_GT(cards[i].output_nmse, cards[i - 1].output_nmse);
    EXPECT_GT(cards[i].logits.kl.value, cards[i - 1].logits.kl.value);
  }
}

TEST(ReportCardOfStories, SaysWhatTheFileIs) {
  PLUMB_REQUIRE_FIXTURES();
  Reporter reporter = story_reporter();
  const ReportCard base = reporter.base_card();
  EXPECT_EQ(base.logits.kl.value, 0);
  EXPECT_NEAR(base.bits_per_weight, 32, 1e-9);
  EXPECT_TRUE(base.tensors.empty());
  const ReportCard card = reporter.card(stories("stories260K-Q8_0.gguf"), "q8_0", "recorded");
  EXPECT_EQ(card.logits.base.nll.value, base.logits.base.nll.value);
  EXPECT_GT(card.bits_per_weight, 8.5);
  EXPECT_LT(card.bits_per_weight, 12);  // ffn_down is F16
  EXPECT_GT(card.bytes_per_token, 0);
  EXPECT_LT(card.bytes_per_token, base.bytes_per_token);
  EXPECT_GT(card.speed.prefill.tokens_per_second(), 0);
  EXPECT_GT(card.speed.decode.tokens_per_second(), 0);
  std::size_t with_outputs = 0;
  for (const TensorError& t : card.tensors) {
    EXPECT_GT(t.nmse, 0) << t.name;
    EXPECT_LT(t.nmse, t.to == DType::q8_0 ? 1e-4 : 1e-6) << t.name;
    if (!t.output_nmse) continue;
    ++with_outputs;
    EXPECT_GT(*t.output_nmse, 0) << t.name;
    EXPECT_LT(*t.output_nmse, 1e-3) << t.name;
  }
  EXPECT_GE(with_outputs, card.tensors.size() - 1);  // the embedding is looked up, not multiplied with
  test::expect_error(ErrorCode::invalid_argument, [&] { reporter.card_of("q4_0", "magic"); });
  test::expect_error(ErrorCode::invalid_argument, [&] { reporter.card_of("q99", "search"); });
}

TEST(ReportCardOfStories, TypesInMemoryAreJudgedToo) {
  PLUMB_REQUIRE_FIXTURES();
  Reporter reporter = story_reporter();
  const ReportCard int8 = reporter.card_of("int8g64", "search"), int4 = reporter.card_of("int4g64", "search");
  EXPECT_LT(int4.bits_per_weight, int8.bits_per_weight);
  EXPECT_LT(int8.weight_nmse, int4.weight_nmse);
  EXPECT_LT(int8.output_nmse, int4.output_nmse);
  EXPECT_LT(int8.logits.kl.value, int4.logits.kl.value);
  EXPECT_GT(int8.weight_nmse, 0);
  EXPECT_GT(int8.tensors.size(), 30u);
  EXPECT_LT(int4.bytes_per_token, int8.bytes_per_token);
  test::expect_error(ErrorCode::invalid_argument, [&] { reporter.card_of("int4g64", "search+imatrix"); });
}

ReportCard made_card(const char* type, double weights, double kl) {
  ReportCard card;
  card.type = type;
  card.method = "search";
  card.bits_per_weight = 5;
  card.weight_nmse = weights;
  card.logits.kl = {kl, 0.001};
  card.tensors = {{"a", Shape{2, 32}, DType::f32, DType::q4_0, 36, 1, weights, 0.1},
                  {"b", Shape{2, 32}, DType::f32, DType::q4_0, 36, 1, weights / 2, 0.05}};
  return card;
}

TEST(Disagreements, AreNamedAndAgreementIsNot) {
  std::vector<ReportCard> cards = {made_card("x", 0.01, 0.1), made_card("y", 0.02, 0.2)};
  EXPECT_TRUE(disagreements(cards).empty());
  cards[1].logits.kl.value = 0.099;  // within the errors
  EXPECT_TRUE(disagreements(cards).empty());
  cards[1].logits.kl.value = 0.05;
  ASSERT_EQ(disagreements(cards).size(), 1u);
  EXPECT_EQ(disagreements(cards)[0].find("x search has the smaller weight error"), 0u) << disagreements(cards)[0];
  cards[0].bits_per_weight = 4.5;  // one is larger: it may well be better
  EXPECT_TRUE(disagreements(cards).empty());
}

TEST(Disagreements, TheWorstTensorByOutputsIsNamedWhereItIsAnother) {
  ReportCard card = made_card("x", 0.01, 0.1);
  EXPECT_EQ(worst_tensors(card), "");
  card.tensors[1].output_nmse = 0.5;
  const std::string sentence = worst_tensors(card);
  EXPECT_NE(sentence.find("the largest output error that of b"), std::string::npos) << sentence;
}

}  // namespace
}  // namespace plumb::report_card_test
