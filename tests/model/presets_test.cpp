// Parameter counts of the presets against what their publishers state.

#include "plumb/model/presets.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/perf/parameters.hpp"

namespace plumb::presets_test {
namespace {

TEST(Presets, TotalsEqualThePublishedOnes) {
  EXPECT_GE(all_presets().size(), 24u);
  for (const Preset& preset : all_presets()) {
    const ModelSpec spec = preset.spec();
    EXPECT_NO_THROW(check_spec(spec, preset.name)) << preset.name;
    const std::int64_t off = std::abs(count_parameters(spec).total() - preset.published_parameters);
    EXPECT_LE(2 * off, preset.rounded_to - 1) << preset.name;
    EXPECT_FALSE(preset.source.empty()) << preset.name;
    EXPECT_EQ(spec.name, preset.display_name) << preset.name;
  }
}

TEST(Presets, NonEmbeddingCountsOfPythia) {  // the other column of the table in the Pythia repository
  EXPECT_EQ(count_parameters(preset_spec("pythia-70m")).non_embedding(), 18'915'328);
  EXPECT_EQ(count_parameters(preset_spec("pythia-160m")).non_embedding(), 85'056'000);
  EXPECT_EQ(count_parameters(preset_spec("pythia-410m")).non_embedding(), 302'311'424);
  EXPECT_EQ(count_parameters(preset_spec("pythia-1b")).non_embedding(), 805'736'448);
  EXPECT_EQ(count_parameters(preset_spec("pythia-1.4b")).non_embedding(), 1'208'602'624);
  EXPECT_EQ(count_parameters(preset_spec("pythia-2.8b")).non_embedding(), 2'517'652'480);
}

TEST(Presets, ActiveParametersOfExpertModels) {  // rounded figures from the model cards, in billions
  const auto billions = [](const ModelSpec& spec) {
    return static_cast<double>(count_parameters(spec).active()) / 1e9;
  };
  EXPECT_NEAR(billions(preset_spec("mixtral-8x7b")), 12.9, 0.05);
  EXPECT_NEAR(billions(preset_spec("mixtral-8x22b")), 39.1, 0.1);
  EXPECT_NEAR(billions(preset_spec("qwen3-30b-a3b")), 3.3, 0.06);
  EXPECT_NEAR(billions(preset_spec("qwen3-235b-a22b")), 22.0, 0.3);
  EXPECT_NEAR(billions(preset_spec("gemma-4-26b-a4b")), 3.8, 0.05);
  EXPECT_NEAR(billions(preset_spec("gemma-4-e2b")), 2.3, 0.05);
  EXPECT_NEAR(billions(preset_spec("qwen1.5-moe-a2.7b")), 2.7, 0.05);
  EXPECT_NEAR(billions(preset_spec("deepseek-v3")), 37.0, 0.6);
  EXPECT_NEAR(billions(preset_spec("kimi-linear-48b-a3b")), 3.0, 0.5);
  const ModelSpec dense = preset_spec("llama-2-7b");
  EXPECT_EQ(count_parameters(dense).active(), count_parameters(dense).total());
}

TEST(Presets, NamesAreUniqueAndForgiving) {
  std::set<std::string> names;
  for (const Preset& preset : all_presets()) {
    EXPECT_TRUE(names.insert(std::string(preset.name)).second) << preset.name;
    EXPECT_EQ(find_preset(preset.name), &preset);
  }
  EXPECT_EQ(find_preset("Llama_3.2_1B"), find_preset("llama-3.2-1b"));
  EXPECT_EQ(find_preset("llama"), nullptr);
  EXPECT_EQ(find_preset(""), nullptr);
  try {
    preset_spec("llama-9");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("llama-3.2-1b"), std::string::npos) << error.what();
  }
}

TEST(Presets, TheFamilySpansThreeDecades) {
  const std::vector<ModelSpec> family = measurement_family();
  ASSERT_GE(family.size(), 6u);
  double last = 0;
  for (const ModelSpec& spec : family) {
    EXPECT_NO_THROW(check_spec(spec, spec.name));
    EXPECT_EQ(spec.width % 32, 0) << spec.name;
    EXPECT_EQ(std::get<DenseSpec>(spec.layers[0].ffn).inner % 32, 0) << spec.name;
    const double total = static_cast<double>(count_parameters(spec).total());
    if (last > 0) {
      EXPECT_GT(total / last, 2.0) << spec.name;
      EXPECT_LT(total / last, 5.0) << spec.name;
    }
    last = total;
  }
  EXPECT_NEAR(static_cast<double>(count_parameters(family.front()).total()), 1e6, 1e5);
  EXPECT_NEAR(static_cast<double>(count_parameters(family.back()).total()), 1e9, 1e8);
}

}  // namespace
}  // namespace plumb::presets_test
