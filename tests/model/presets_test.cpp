// Parameter counts of the presets against what their publishers state.

#include "plumb/model/presets.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/perf/parameters.hpp"

namespace plumb::presets_test {
namespace {

TEST(Presets, TotalsEqualThePublishedOnes) {
  EXPECT_GE(all_presets().size(), 180u);
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

/// What of a model its publisher counts as active.
enum class Counted {
  all,            ///< with the whole table of tokens and the head
  without_table,  ///< without the table of tokens, where the head is another
  inner,          ///< with neither
};

/// A figure from a model card or paper, in billions, and half of its last digit or what it was cut by.
struct ActiveCase {
  const char* preset;
  double billions, tolerance;
  Counted counted = Counted::all;
};

constexpr ActiveCase kActive[] = {
    {"kimi-linear-48b-a3b", 3, 0.5},
    {"mixtral-8x7b", 12.9, 0.05},
    {"mixtral-8x22b", 39.1, 0.1},
    {"qwen3-30b-a3b", 3.3, 0.06},
    {"qwen3-235b-a22b", 22.0, 0.3},
    {"qwen3-coder-480b-a35b", 35, 0.5},
    {"qwen3-vl-30b-a3b", 3, 0.5},
    {"qwen3-vl-235b-a22b", 22, 0.5},
    {"qwen3-next-80b-a3b", 3, 0.5, Counted::inner},  // its card gives the total without them too
    {"qwen3.5-35b-a3b", 3, 0.5},
    {"qwen3.5-122b-a10b", 10, 0.5},
    {"qwen3.5-397b-a17b", 17, 0.5},
    {"qwen3.6-35b-a3b", 3, 0.5},
    {"qwen1.5-moe-a2.7b", 2.7, 0.05},
    {"gemma-4-26b-a4b", 3.8, 0.05},
    {"gemma-4-e2b", 2.3, 0.05},
    {"gpt-oss-20b", 3.61, 0.005, Counted::without_table},  // so the table of its card says
    {"gpt-oss-120b", 5.13, 0.005, Counted::without_table},
    {"deepseek-v2-lite", 2.4, 0.06, Counted::without_table},
    {"deepseek-v2", 21, 0.5},
    {"deepseek-v3", 37.0, 0.6},
    {"deepseek-v3.2", 37.0, 0.6, Counted::without_table},  // the figure of V3, which has no indexers
    {"deepseek-r1", 37.0, 0.6},
    {"kimi-k2", 32, 0.5, Counted::without_table},
    {"glm-4.5-air", 12, 0.5, Counted::inner},  // the paper of GLM 4.5 leaves both out
    {"glm-4.5", 32, 0.5, Counted::inner},
    {"glm-4.6", 32, 0.5, Counted::inner},
    {"glm-4.7", 32, 0.5, Counted::inner},
    {"glm-4.7-flash", 3, 0.5, Counted::inner},
    {"minimax-m2", 10, 0.5, Counted::inner},
    {"mimo-v2-flash", 15, 0.5},
    {"ernie-4.5-21b-a3b", 3, 0.5},
    {"ernie-4.5-300b-a47b", 47, 0.5, Counted::without_table},
    {"hunyuan-a13b", 13, 0.5},
    {"dots.llm1", 14, 0.5},
    {"ling-mini-2.0", 1.4, 0.05},
    {"ling-flash-2.0", 6.1, 0.1},
    {"llama-4-scout", 17, 0.5},
    {"llama-4-maverick", 17, 0.5},
    {"lfm2-8b-a1b", 1.5, 0.1},  // cut, not rounded
    {"granite-3.1-1b-a400m", 0.4, 0.05},
    {"granite-3.1-3b-a800m", 0.8, 0.1},  // cut, not rounded
    {"granite-4.0-h-tiny", 1, 0.5},
    {"granite-4.0-h-small", 9, 0.5},
    {"nemotron-3-nano-30b-a3b", 3.6, 0.05},
    {"nemotron-3-nano-30b-a3b", 3.2, 0.05, Counted::without_table},  // its card gives both figures
    {"olmoe-1b-7b", 1.3, 0.05},
    {"trinity-nano", 1, 0.5},
};

TEST(Presets, ActiveParametersOfExpertModels) {
  for (const ActiveCase& test : kActive) {
    const ParameterCount count = count_parameters(preset_spec(test.preset));
    std::int64_t active = count.active();
    if (test.counted != Counted::all) active -= count.embedding;
    if (test.counted == Counted::inner) active -= count.head;
    EXPECT_NEAR(static_cast<double>(active) / 1e9, test.billions, test.tolerance) << test.preset;
  }
  for (const Preset& preset : all_presets()) {
    const ParameterCount count = count_parameters(preset.spec());
    const bool listed = std::any_of(std::begin(kActive), std::end(kActive),
                                    [&](const ActiveCase& test) { return test.preset == preset.name; });
    EXPECT_TRUE(listed || count.active() == count.total() - count.per_layer)
        << preset.name << " has experts: what does its publisher say is active?";
  }
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
