// config.json files that users reported: the same model in the words of another version of transformers, switches that
// switch nothing on, and a model within another.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "plumb/core/error.hpp"
#include "plumb/model/family.hpp"
#include "tests/families/same_spec.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::reported_configs_test {
namespace {

using nlohmann::json;

json reported(const std::string& name) {
  return json::parse(test::read_file(test::fixtures_dir() / "reported" / "config-json" / (name + ".json")));
}
ModelSpec spec_of(const json& config) { return spec_from_json(config.dump(), "config.json"); }

TEST(ReportedConfigs, OneModelInTwoWords) {
  PLUMB_REQUIRE_FIXTURES();
  const std::pair<const char*, const char*> kSame[] = {
      {"qwen3moe-v5", "qwen3moe-v4"}, {"phi4mini-v5", "phi4mini"}, {"qwen3-sw-mwl36", "qwen3"}};
  for (const auto& [one, other] : kSame) {
    SCOPED_TRACE(one);
    test::expect_same(spec_of(reported(one)), spec_of(reported(other)));
  }
  json windows = reported("qwen2-sw-all-full"), none = windows;
  none["use_sliding_window"] = false;
  test::expect_same(spec_of(windows), spec_of(none));
  windows["max_window_layers"] = 27;
  const ModelSpec last = spec_of(windows);
  EXPECT_EQ(std::get<AttentionSpec>(last.layers[26].mixer).window, 0);
  EXPECT_EQ(std::get<AttentionSpec>(last.layers[27].mixer).window, 4096);
}

TEST(ReportedConfigs, FieldsOfRedPajama) {
  PLUMB_REQUIRE_FIXTURES();
  const ModelSpec spec = spec_of(reported("neox-redpajama"));
  EXPECT_FALSE(spec.layers.front().parallel);
  EXPECT_EQ(spec.ropes.front().dims, 80);
}

TEST(ReportedConfigs, TheTextPartOfALargerModel) {
  PLUMB_REQUIRE_FIXTURES();
  const json whole = reported("mistral3");
  test::expect_same(spec_of(whole), spec_of(whole.at("text_config")));
}

/// The number of experts has two names, whichever of them a type was published with.
TEST(ReportedConfigs, ExpertsAreCountedUnderEitherName) {
  const json base = {{"vocab_size", 100},           {"hidden_size", 64},        {"intermediate_size", 96},
                     {"num_hidden_layers", 2},      {"num_attention_heads", 4}, {"num_key_value_heads", 2},
                     {"moe_intermediate_size", 32}, {"num_experts_per_tok", 2}};
  for (const char* type : {"qwen2_moe", "qwen3_moe", "mixtral", "olmoe"}) {
    SCOPED_TRACE(type);
    json usual = base, newer = base;
    usual["model_type"] = newer["model_type"] = type;
    usual["num_experts"] = newer["num_local_experts"] = 6;
    const ModelSpec spec = spec_of(newer);
    ASSERT_NE(first_experts(spec), nullptr);
    EXPECT_EQ(first_experts(spec)->count, 6);
    test::expect_same(spec_of(usual), spec);
  }
}

}  // namespace
}  // namespace plumb::reported_configs_test
