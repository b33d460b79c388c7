// Tables of figures: names that exist, values that can be; and which offers are beaten by none.

#include "plumb/perf/quality.hpp"

#include <gtest/gtest.h>

#include <string>

#include "plumb/model/presets.hpp"
#include "plumb/quantize/recipe.hpp"

namespace plumb::quality_test {
namespace {

TEST(Quality, ScoresBelongToPresetsAndHaveASource) {
  int known = 0;
  for (const Preset& preset : all_presets()) {
    const PublishedScore* score = published_score(preset.name);
    if (!score) continue;
    ++known;
    EXPECT_GT(score->mmlu, 25) << preset.name << ": guessing gives as much";
    EXPECT_LT(score->mmlu, 95) << preset.name;
    EXPECT_FALSE(score->source.empty()) << preset.name;
    EXPECT_TRUE(score->of == "base" || score->of == "instruct") << preset.name;
  }
  EXPECT_EQ(known, 24) << "rows of the table: one whose preset does not exist is never found";
  EXPECT_EQ(published_score("bert-base"), nullptr);
  EXPECT_EQ(published_score("no such model"), nullptr);
}

TEST(Quality, MoreBitsLoseLess) {
  for (const TypeLoss& loss : type_losses()) {
    EXPECT_NO_THROW(Recipe::parse(loss.type)) << loss.type;
    EXPECT_GT(loss.kl, 0) << loss.type;
    EXPECT_EQ(estimated_loss(loss.type), loss.kl);
  }
  EXPECT_LT(*estimated_loss("q8_0"), *estimated_loss("q6_k"));
  EXPECT_LT(*estimated_loss("q6_k"), *estimated_loss("q5_k_m"));
  EXPECT_LT(*estimated_loss("q5_k_m"), *estimated_loss("q4_k_m"));
  EXPECT_LT(*estimated_loss("q4_k_m"), *estimated_loss("q3_k_m"));
  EXPECT_EQ(estimated_loss("Q4_K"), estimated_loss("q4_k_m"));
  EXPECT_EQ(estimated_loss("f16"), 0);
  EXPECT_FALSE(estimated_loss("*=q4_0"));
}

TEST(Quality, AnOfferIsOnTheFrontIfNoneBeatsIt) {
  const Offer offers[] = {{1, 1, 1e9, 50, 0.1},    // small and fast
                          {2, 2, 2e9, 60, 0.1},    // better
                          {2, 2, 3e9, 55, 0.1},    // no better than that, though larger
                          {3, 1.5, 4e9, {}, 0.1},  // no score: more parameters
                          {2, 2, 2e9, 60, 0.2},    // the same in a worse type
                          {2, 2, 2e9, 60, 0.1}};   // the same again
  EXPECT_EQ(pareto_front(offers), (std::vector<bool>{true, true, false, true, false, true}));
  EXPECT_TRUE(pareto_front({}).empty());
}

}  // namespace
}  // namespace plumb::quality_test
