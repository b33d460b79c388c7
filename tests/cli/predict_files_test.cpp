/// What `plumb predict` is asked about: files that cannot run, folders, parts for pictures, files on a server.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/synth.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/range_server.hpp"
#include "tests/support/round_machine.hpp"
#include "tests/support/run_command.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::predict_files_test {
namespace {

using Json = nlohmann::json;

/// A folder with the profile of a made-up machine: nothing is measured.
class PredictFiles : public testing::Test {
 protected:
  PredictFiles() { std::ofstream(dir_ / "machine.json") << test::round_machine().to_json(); }

  test::CommandResult predict(std::vector<std::string> arguments) const {
    for (const char* more : {"--ctx", "64", "--prompt", "8"}) arguments.emplace_back(more);
    arguments.insert(arguments.begin(), "predict");
    arguments.insert(arguments.end(), {"--machine", (dir_ / "machine.json").string()});
    return test::run_plumb(arguments);
  }
  Json json(const std::string& model) const {
    const test::CommandResult result = predict({model, "--format", "json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  }
  static void write(const std::filesystem::path& path, const GgufWriter& writer) {
    writer.write(path, [](const GgufTensorPlan& plan, const GgufAppend& append) {
      append(std::vector<std::byte>(plan.bytes, std::byte{1}));
    });
  }

  test::TempDir dir_;
};

TEST_F(PredictFiles, OfUnknownArchitecturesAreCounted) {
  GgufWriter writer;
  writer.set("general.architecture", "unheard_of");
  writer.set("general.name", "A new one");
  writer.set("unheard_of.expert_count", std::uint32_t{8});
  writer.set("unheard_of.expert_used_count", std::uint32_t{2});
  writer.add_tensor("token_embd.weight", DType::q8_0, Shape{100, 64});
  writer.add_tensor("output.weight", DType::q8_0, Shape{100, 64});
  writer.add_tensor("blk.0.ffn_up_exps.weight", DType::q4_0, Shape{8, 96, 64});
  writer.add_tensor("blk.0.attn_norm.weight", DType::f32, Shape{64});
  writer.add_tensor("v.blk.0.attn_q.weight", DType::f16, Shape{64, 64});
  write(dir_ / "new.gguf", writer);
  const Json found = json((dir_ / "new.gguf").string());
  EXPECT_EQ(found["runs_here"], false);
  EXPECT_EQ(found["architecture"], "unheard_of");
  EXPECT_EQ(found["parameters"]["total"], 2 * 6400 + 8 * 96 * 64 + 64);
  EXPECT_EQ(found["file_bytes"], std::filesystem::file_size(dir_ / "new.gguf"));
  const double q8 = 34.0 / 32, q4 = 18.0 / 32;
  EXPECT_EQ(found["tensor_bytes"], 2 * 6400 * q8 + 8 * 96 * 64 * q4 + 256);
  EXPECT_EQ(found["token_bytes"], 64 * q8 + 6400 * q8 + 2 * 96 * 64 * q4 + 256);
  EXPECT_GT(found["time_per_token_at_least"], 0);
  EXPECT_EQ(found["left_out"].size(), 1u);
  const test::CommandResult text = predict({(dir_ / "new.gguf").string()});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_NE(text.out.find("unheard_of"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("cannot be run here"), std::string::npos) << text.out;
  EXPECT_NE(text.err.find("what sees pictures"), std::string::npos) << text.err;
  EXPECT_NE(text.err.find("is not counted"), std::string::npos) << text.err;
}

TEST_F(PredictFiles, PartsForPicturesAreNamedAndLeftOut) {
  GgufWriter tower;
  tower.set("general.architecture", "clip");
  tower.add_tensor("v.blk.0.attn_q.weight", DType::f16, Shape{64, 64});
  write(dir_ / "mmproj-model-f16.gguf", tower);
  write_random_model(dir_ / "model.gguf", preset_spec("stories-260k"), {.type = "q8_0"});
  const test::CommandResult beside = predict({(dir_ / "model.gguf").string()});
  EXPECT_EQ(beside.exit_code, 0) << beside.err;
  EXPECT_NE(beside.err.find("'mmproj-model-f16.gguf'"), std::string::npos) << beside.err;
  EXPECT_NE(beside.err.find("only the text model is counted"), std::string::npos) << beside.err;
  EXPECT_EQ(json((dir_ / "mmproj-model-f16.gguf").string())["parameters"]["total"], 0);
  std::ofstream(dir_ / "config.json")
      << R"({"model_type":"gemma3","vision_config":{"model_type":"siglip_vision_model"},"text_config":{
          "model_type":"gemma3_text","vocab_size":512,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,
          "num_attention_heads":2,"num_key_value_heads":1,"head_dim":32}})";
  const test::CommandResult config = predict({(dir_ / "config.json").string()});
  EXPECT_EQ(config.exit_code, 0) << config.err;
  EXPECT_NE(config.err.find("'vision_config' (siglip_vision_model) is not read"), std::string::npos) << config.err;
}

TEST_F(PredictFiles, FoldersAreRead) {
  PLUMB_REQUIRE_FIXTURES();
  const Json found = json((test::fixtures_dir() / "hf-dev" / "qwen2").string());
  EXPECT_GT(found["parameters"]["total"], 0);
  EXPECT_GT(found["file_bytes"], 0);
}

// Every recipe that `quantize` knows is one that is predicted.
TEST_F(PredictFiles, TypesAreRecipes) {
  for (const char* type :
       {"q4_k_m", "Q4_K_S", "q5_k_m", "q3_k_l", "iq4_xs", "mxfp4_moe", "q2_k", "ffn_down=q6_k,*=q4_0"}) {
    const test::CommandResult result = predict({"stories-15m", "--type", type, "--format", "json"});
    EXPECT_EQ(result.exit_code, 0) << type << ": " << result.err;
  }
}

class PredictUrl : public PredictFiles {
 protected:
  PredictUrl() {
    GgufWriter writer = plan_model_file(preset_spec("tinyllama-1.1b"), "q4_k_m");
    std::vector<std::string> tokens;
    for (int i = 0; i < 32000; ++i) tokens.push_back("token" + std::to_string(i * 37));
    writer.set("tokenizer.ggml.model", "llama");
    writer.set("tokenizer.ggml.tokens", GgufArray::of_strings(tokens));
    writer.set("tokenizer.ggml.scores", GgufArray::of<float>(std::vector<float>(tokens.size(), -1.5f)));
    writer.set("tokenizer.ggml.token_type", GgufArray::of<std::int32_t>(std::vector<std::int32_t>(tokens.size(), 1)));
    // The file ends behind its header, of which the server tells otherwise: weights are never asked for.
    const std::vector<std::byte> header = writer.header();
    file_.assign(reinterpret_cast<const char*>(header.data()), header.size());
    std::uint64_t end = 0;
    for (const GgufTensorPlan& tensor : writer.tensors()) end = std::max(end, tensor.offset + tensor.bytes);
    file_.resize(header.size() + 3'000'000);
    whole_ = header.size() + end;
  }
  std::string file_;
  std::uint64_t whole_ = 0;
};

TEST_F(PredictUrl, OneBuiltWithoutCurlSaysSo) {
  const test::CommandResult result = predict({"http://127.0.0.1:1/model.gguf", "--timeout", "2"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("127.0.0.1"), std::string::npos) << result.err;
}

TEST_F(PredictUrl, HeadersAreReadByRanges) {
  test::RangeServer server(file_, whole_);
  if (predict({server.url("/none"), "--timeout", "2"}).err.find("without libcurl") != std::string::npos)
    GTEST_SKIP() << "built without libcurl";
  for (const char* path : {"/file", "/moved"}) {
    const std::uint64_t before = server.sent();
    const Json found = json(server.url(path));
    EXPECT_EQ(found["file_bytes"], whole_);
    EXPECT_EQ(found["parameters"]["total"], 1'100'048'384);
    EXPECT_EQ(found["type"], "types of the file");
    EXPECT_LE(server.sent() - before, 2'000'000u);
    EXPECT_GT(found["tokens_per_second"], 0);
  }
  const auto refused = [&](const char* path, const char* what) {
    const test::CommandResult result = predict({server.url(path), "--timeout", "1"});
    EXPECT_EQ(result.exit_code, 1) << path;
    EXPECT_NE(result.err.find(what), std::string::npos) << path << ": " << result.err;
    EXPECT_NE(result.err.find("http://127.0.0.1"), std::string::npos) << result.err;
  };
  refused("/absent", "404");
  refused("/whole", "no ranges");
  refused("/page", "begins with");
  refused("/wrong", "bytes from 7 on");
  refused("/loop", "redirects");
  refused("/silent", "");
}

}  // namespace
}  // namespace plumb::predict_files_test
