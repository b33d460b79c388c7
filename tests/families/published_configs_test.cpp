/// config.json files as their publishers have them, all fields: of text models, and of models that see or hear beside.

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/check_spec.hpp"
#include "plumb/model/family.hpp"
#include "plumb/perf/parameters.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::published_configs_test {
namespace {

struct Published {
  std::string name, json;
  std::int64_t parameters = 0;
};

/// Lines of a name, the parameters that the model card or the safetensors header states (of the text model), and the
/// file.
std::vector<Published> published() {
  std::ifstream file(std::string(PLUMB_SOURCE_DIR) + "/tests/data/published_configs.tsv");
  std::vector<Published> all;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    Published one;
    std::string count;
    std::getline(fields, one.name, '\t');
    std::getline(fields, count, '\t');
    std::getline(fields, one.json);
    one.parameters = std::stoll(count);
    all.push_back(one);
  }
  return all;
}

TEST(PublishedConfigs, AreReadWithTheirParameters) {
  const std::vector<Published> all = published();
  EXPECT_GE(all.size(), 40u);
  for (const Published& one : all) {
    SCOPED_TRACE(one.name);
    const ModelSpec spec = spec_from_json(one.json, one.name);
    EXPECT_NO_THROW(check_runnable(spec, one.name));
    // OPT counts two rows of its table of positions that stand in front of the first.
    const std::int64_t in_front = spec.family == "opt" ? std::int64_t{2} * spec.width : 0;
    EXPECT_EQ(count_parameters(spec).total() + in_front, one.parameters);
  }
}

TEST(PublishedConfigs, PartsThatSeeOrHearAreNamed) {
  const test::TempDir dir;
  for (const Published& one : published()) {
    SCOPED_TRACE(one.name);
    std::ofstream(dir / "config.json") << one.json;
    const std::vector<std::string> notes = left_out_of_json_file(dir / "config.json");
    const auto has = [&](const char* part) {
      return one.json.find(std::string("\"") + part + "\":{") != std::string::npos;
    };
    EXPECT_EQ(notes.size(), static_cast<std::size_t>(has("vision_config")) + (has("audio_config") ? 1 : 0));
    for (const std::string& note : notes)
      EXPECT_NE(note.find("only the text model is counted"), std::string::npos) << note;
  }
}

// What other engines and other versions of a library write, and what means something else.
TEST(PublishedConfigs, VariantsAreReadOrRefusedByTheirField) {
  const std::string opt =
      R"("model_type":"opt","vocab_size":512,"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"ffn_dim":128)";
  const ModelSpec spec = spec_from_json("{" + opt + "}", "opt");
  EXPECT_TRUE(spec.embedding.positions && spec.output.tied);
  EXPECT_EQ(spec.context, 2048);
  EXPECT_EQ(std::get<DenseSpec>(spec.layers[0].ffn).activation, Activation::relu);
  EXPECT_TRUE(first_attention(spec)->qkv_bias);
  EXPECT_FALSE(first_attention(spec_from_json("{" + opt + R"(,"enable_bias":false})", "opt"))->qkv_bias);
  const auto refused = [&](const std::string& more, const char* field) {
    const std::string message = test::expect_error(ErrorCode::unsupported_architecture,
                                                   [&] { (void)spec_from_json("{" + opt + "," + more + "}", "opt"); });
    EXPECT_NE(message.find(field), std::string::npos) << message;
  };
  refused(R"("do_layer_norm_before":false)", "do_layer_norm_before");
  refused(R"("word_embed_proj_dim":32)", "word_embed_proj_dim");
  const auto wrapped = [](const std::string& part) {
    return spec_from_json(R"({"model_type":"a_new_one",)" + part + "}", "wrapped");
  };
  const std::string text = R"({"model_type":"qwen2","vocab_size":512,"hidden_size":64,"intermediate_size":96,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2})";
  EXPECT_EQ(wrapped(R"("llm_config":)" + text).family, "qwen2");
  EXPECT_EQ(wrapped(R"("text_config":)" + text).family, "qwen2");
  for (const std::string part :
       {R"("text_config":{})", R"("text_config":{"model_type":"clip_text_model"})", R"("a":1)"})
    test::expect_error(ErrorCode::unsupported_architecture, [&] { (void)wrapped(part); });
}

TEST(PublishedConfigs, FoldersOfOptHaveTwoPositionsInFrontOfTheFirst) {
  const test::TempDir dir;
  test::ModelFolder folder;
  folder.config =
      R"({"model_type":"opt","vocab_size":40,"hidden_size":32,"num_hidden_layers":1,"num_attention_heads":2,"ffn_dim":64,
          "max_position_embeddings":16})";
  const std::string layer = "model.decoder.layers.0.";
  folder.tensors["model.decoder.embed_tokens.weight"] = {"F32", {40, 32}};
  folder.tensors["model.decoder.embed_positions.weight"] = {"F32", {18, 32}};
  for (const char* norm : {"self_attn_layer_norm", "final_layer_norm"})
    for (const char* part : {".weight", ".bias"}) folder.tensors[layer + norm + part] = {"F32", {32}};
  for (const char* part : {".weight", ".bias"})
    folder.tensors[std::string("model.decoder.final_layer_norm") + part] = {"F32", {32}};
  for (const char* product : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
    folder.tensors[layer + "self_attn." + product + ".weight"] = {"F32", {32, 32}};
    folder.tensors[layer + "self_attn." + product + ".bias"] = {"F32", {32}};
  }
  folder.tensors[layer + "fc1.weight"] = {"F32", {64, 32}};
  folder.tensors[layer + "fc1.bias"] = {"F32", {64}};
  folder.tensors[layer + "fc2.weight"] = {"F32", {32, 64}};
  folder.tensors[layer + "fc2.bias"] = {"F32", {32}};
  folder.write(dir);
  const ModelFile file = open_model_file(dir.path());
  const ModelSpec spec = spec_from_file(file);
  EXPECT_EQ(spec.family, "opt");
  EXPECT_TRUE(left_out(file, spec).empty());
  const GgufTensor& positions = file.get_tensor("position_embd.weight");
  EXPECT_EQ(positions.view.shape(), (Shape{16, 32}));
  const HeldTensor held = file.hold(positions);
  float first = 0;
  std::memcpy(&first, held.view.data(), sizeof first);
  EXPECT_EQ(first, 0.01f * static_cast<float>(2 * 32 % 17 - 8));  // two rows stand in front
}

}  // namespace
}  // namespace plumb::published_configs_test
