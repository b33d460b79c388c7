#include "plumb/quantize/recipe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/quant/fitting_type.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::recipe_test {
namespace {

namespace fs = std::filesystem;

// The recorded files were made by the tool that the recipes are named after: same types, tensor by tensor.
TEST(RecipeFixtures, EveryTensorGetsTheTypeOfTheRecordedFile) {
  PLUMB_REQUIRE_FIXTURES();
  const fs::path folder = test::fixtures_dir() / "quant-models";
  std::size_t compared = 0, files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    std::string name = entry.path().stem();
    for (const std::string prefix : {"moe-", "tied-", "gpt-oss-"})
      if (name.starts_with(prefix)) name = name.substr(prefix.size());
    if (name == "IQ3_S" || name == "TQ1_0" || name == "TQ2_0") continue;  // types that are not computed
    const GgufFile file = GgufFile::open(entry.path());
    const Recipe recipe = Recipe::parse(name);
    const RecipeFacts facts = recipe_facts(file);
    ++files;
    for (const GgufTensor& tensor : file.tensors()) {
      const DType wanted = recipe.wanted(tensor.name, tensor.view.dtype(), tensor.view.shape(), facts);
      EXPECT_EQ(dtype_name(fitting_type(wanted, tensor.view.cols())), dtype_name(tensor.view.dtype()))
          << entry.path().filename() << " " << tensor.name;
      ++compared;
    }
    EXPECT_EQ(recipe.file_type(), file.int_or("general.file_type", recipe.file_type())) << name;
  }
  EXPECT_GE(files, 20u);
  EXPECT_GE(compared, 400u);
}

TEST(RecipeParse, RulesMatchRolesAndNamesInOrder) {
  const Recipe recipe = Recipe::parse(" FFN_down = q6_k, output=q8_0, blk.1.*=f16, attn_?=q5_0, *=Q4_0 ");
  const RecipeFacts facts{"llama", 2, 1, 0, false, false};
  const Shape shape{256, 256};
  const auto type = [&](const char* name) { return recipe.wanted(name, DType::f32, shape, facts); };
  EXPECT_EQ(type("blk.1.ffn_down.weight"), DType::q6_k);
  EXPECT_EQ(type("output.weight"), DType::q8_0);
  EXPECT_EQ(type("blk.1.ffn_up.weight"), DType::f16);
  EXPECT_EQ(type("blk.0.attn_k.weight"), DType::q5_0);
  EXPECT_EQ(type("blk.0.attn_output.weight"), DType::q4_0);  // neither `output` nor `attn_?`
  EXPECT_EQ(type("token_embd.weight"), DType::q4_0);
  EXPECT_EQ(type("blk.0.ffn_gate_inp.weight"), DType::f32);  // routers stay
  EXPECT_EQ(recipe.wanted("blk.0.attn_norm.weight", DType::f32, Shape{256}, facts), DType::f32);
  EXPECT_EQ(recipe.file_type(), -1);
  const Recipe partial = Recipe::parse("ffn_*=q4_k_m");
  EXPECT_EQ(partial.wanted("token_embd.weight", DType::bf16, shape, facts), DType::bf16);
  EXPECT_EQ(partial.wanted("blk.1.ffn_down.weight", DType::bf16, shape, facts), DType::q6_k);
  EXPECT_EQ(partial.wanted("blk.0.ffn_up.weight", DType::bf16, shape, facts), DType::q4_k);
}

TEST(RecipeParse, RefusesWhatItDoesNotKnowByName) {
  for (const char* text : {"", "q9_0", "iq2_xxs", "ffn_down=", "=q4_0", "ffn_down=q9", "*=q4_0,", "a=q4_0,b",
                           "q4_0,q5_0", "ffn_down=iq2_xs"})
    test::expect_error(ErrorCode::invalid_argument, [&] { (void)Recipe::parse(text); });
  const std::string message =
      test::expect_error(ErrorCode::invalid_argument, [] { (void)Recipe::parse("ffn_down=iq2_xs"); });
  EXPECT_NE(message.find("iq2_xs"), std::string::npos) << message;
}

TEST(RecipeParse, PatternsOfManyStarsEndSoon) {
  const Recipe recipe = Recipe::parse(std::string(200, '*') + "a*a*a*a*a*a*a*a*b=q4_0");
  const RecipeFacts facts{"llama", 1, 1, 0, false, false};
  EXPECT_EQ(recipe.wanted(std::string(5000, 'a') + ".weight", DType::f32, Shape{32, 32}, facts), DType::f32);
}

// By role or by name: the name of a tensor and what it stands for are asked the same.
TEST(RecipeWanted, RolesAreTheirUsualNames) {
  RecipeFacts facts{"llama", 32, 4, 8, false, false};
  for (const std::string_view text :
       {"q4_k_m", "q3_k_l", "q2_k", "mxfp4_moe", "q8_0", "int4g64", "ffn_*=q6_k,attn_v=q8_0,blk.7.*=f16,*=q4_k_s"})
    for (const bool tied : {false, true})
      for (const RoleNames& role : kRoleNames)
        for (const int layer : {-1, 0, 7, 31})
          for (const bool bias : {false, true}) {
            facts.tied_head = tied;
            const TensorId id{role.role, layer, bias};
            const Recipe recipe = Recipe::parse(text);
            for (const Shape& shape : {Shape{512}, Shape{256, 512}, Shape{1, 512}, Shape{8, 256, 512}})
              EXPECT_EQ(recipe.wanted(id, DType::f32, shape, facts),
                        recipe.wanted(gguf_tensor_name(id), DType::f32, shape, facts))
                  << text << ' ' << gguf_tensor_name(id);
          }
}

// Names that no role stands for: fused matrices and layers of other kinds.
TEST(RecipeWanted, UnknownNamesGoByWhatTheyHold) {
  const RecipeFacts facts{"phi3", 32, 1, 0, false, false};
  const Recipe recipe = Recipe::parse("q4_k_m");
  const Shape shape{256, 512};
  const auto type = [&](const char* name) { return recipe.wanted(name, DType::f16, shape, facts); };
  EXPECT_EQ(type("blk.0.attn_qkv.weight"), DType::q6_k);  // values are among them
  EXPECT_EQ(type("blk.4.attn_qkv.weight"), DType::q4_k);
  EXPECT_EQ(type("blk.0.attn_kv_b.weight"), DType::q6_k);
  EXPECT_EQ(type("blk.0.attn_v_b.weight"), DType::q4_k);
  EXPECT_EQ(type("blk.0.ssm_in.weight"), DType::q4_k);
  EXPECT_EQ(type("blk.0.ssm_conv1d.weight"), DType::f16);
  EXPECT_EQ(type("blk.0.attn_qkv.bias"), DType::f16);
  EXPECT_EQ(type("blk.0.indexer.k_norm.weight"), DType::f16);
}

TEST(RecipeNames, OneListAndThoseOfFilesFirst) {
  const std::vector<std::string_view> names = Recipe::names(), files = Recipe::file_names();
  EXPECT_EQ(std::set<std::string_view>(names.begin(), names.end()).size(), names.size());
  ASSERT_LT(files.size(), names.size());
  EXPECT_TRUE(std::equal(files.begin(), files.end(), names.begin()));
  for (const std::string_view name : files) EXPECT_GE(Recipe::parse(name).file_type(), 0) << name;
  std::size_t in_memory = 0;
  for (const DTypeInfo& info : kDTypes) {
    if (!info.computed) continue;
    const Recipe recipe = Recipe::parse(info.name);  // every type that is multiplied with has a recipe of its name
    EXPECT_EQ(recipe.base(), info.type);
    if (!info.in_memory()) continue;
    ++in_memory;
    const std::string message = test::expect_error(ErrorCode::unsupported_type, [&] { (void)recipe.file_type(); });
    EXPECT_NE(message.find("exists in memory only"), std::string::npos) << message;
  }
  EXPECT_EQ(files.size() + in_memory, names.size());
  test::expect_error(ErrorCode::unsupported_type, [] { (void)Recipe::parse("*=int8row").file_type(); });
  EXPECT_EQ(Recipe::parse("*=q4_k").file_type(), -1);
  EXPECT_EQ(Recipe::parse("*=q4_k").base(), std::nullopt);
}

// "q4_k" alone is the medium mix, as for every GGUF tool; in a rule it is the type.
TEST(RecipeNames, ShortNamesAreTheMediumMix) {
  const RecipeFacts facts{"llama", 32, 1, 0, false, false};
  for (const char* bits : {"q3_k", "q4_k", "q5_k"}) {
    const Recipe brief = Recipe::parse(bits), medium = Recipe::parse(bits + std::string("_m")),
                 everywhere = Recipe::parse("*=" + std::string(bits));
    EXPECT_EQ(brief.file_type(), medium.file_type());
    bool differs = false;
    for (int layer = 0; layer < 32; ++layer)
      for (const TensorRole role : {TensorRole::attn_q, TensorRole::attn_v, TensorRole::ffn_down, TensorRole::head}) {
        const TensorId id{role, layer};
        const DType type = brief.wanted(id, DType::f32, Shape{256, 256}, facts);
        EXPECT_EQ(type, medium.wanted(id, DType::f32, Shape{256, 256}, facts));
        EXPECT_EQ(everywhere.wanted(id, DType::f32, Shape{256, 256}, facts), brief.base());
        differs = differs || type != brief.base();
      }
    EXPECT_TRUE(differs);
  }
}

// The public exception for 70B llamas: 80 layers, several query heads for each key/value head.
TEST(RecipeWanted, SeventyBillionLlamasHaveMoreBitsInTheirValues) {
  const auto value = [](const char* name, int layers, int group, const char* architecture = "llama") {
    const RecipeFacts facts{architecture, layers, group, 0, false, false};
    return Recipe::parse(name).wanted(TensorId{TensorRole::attn_v, 16}, DType::f32, Shape{1024, 8192}, facts);
  };
  EXPECT_EQ(value("q4_k_m", 80, 8), DType::q5_k);
  EXPECT_EQ(value("q4_k", 80, 8), DType::q5_k);
  EXPECT_EQ(value("q3_k_s", 80, 8), DType::q5_k);
  EXPECT_EQ(value("q4_k_m", 80, 4), DType::q5_k);
  EXPECT_EQ(value("q4_k_m", 80, 1), DType::q4_k);  // 65B
  EXPECT_EQ(value("q4_k_m", 80, 8, "qwen2"), DType::q5_k);
  EXPECT_EQ(value("q4_k_m", 80, 8, "apertus"), DType::q4_k);
  EXPECT_EQ(value("q4_k_m", 79, 8), DType::q4_k);
}

// Hybrids have values and feed-forward blocks in some layers: their number among these counts, not the layer's.
TEST(RecipeWanted, MixesCountTheMatricesThatThereAre) {
  RecipeFacts facts{"lfm2", 0, 0, 0, false, false};
  for (int layer = 0; layer < 32; ++layer) {
    if (layer % 4 == 3) facts.add("blk." + std::to_string(layer) + ".attn_v.weight");
    if (layer % 2 == 0) facts.add("blk." + std::to_string(layer) + ".ffn_down.weight");
    facts.add("blk." + std::to_string(layer) + ".attn_v.bias");
  }
  EXPECT_EQ(facts.n_layers, 32);
  EXPECT_EQ(facts.value_layers, (std::vector<int>{3, 7, 11, 15, 19, 23, 27, 31}));
  EXPECT_EQ(facts.down_layers.size(), 16u);
  const Recipe recipe = Recipe::parse("q4_k_m");
  const auto type = [&](TensorRole role, int layer) {
    return recipe.wanted(TensorId{role, layer}, DType::f16, Shape{256, 512}, facts);
  };
  // The first and the last of eight, and every third of those between.
  std::string values, downs;
  for (const int layer : facts.value_layers) values += type(TensorRole::attn_v, layer) == DType::q6_k ? '6' : '4';
  EXPECT_EQ(values, "64464466");
  // Sixteen of 32: the first four (layers 0 to 6), then every third; none reaches the last eighth.
  for (const int layer : facts.down_layers) downs += type(TensorRole::ffn_down, layer) == DType::q6_k ? '6' : '4';
  EXPECT_EQ(downs, "6666446446446446");
  facts.n_experts = 16;  // layers count
  EXPECT_EQ(type(TensorRole::ffn_down, 30), DType::q6_k);
}

}  // namespace
}  // namespace plumb::recipe_test
