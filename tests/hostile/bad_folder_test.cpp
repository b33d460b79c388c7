// Hugging Face folders with one thing wrong: refused with a message that names the folder, the tensor, what was found
// and what was expected.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/checkpoint.hpp"
#include "plumb/model/model.hpp"
#include "tests/support/model_folder.hpp"

namespace plumb::bad_folder_test {
namespace {

using test::ModelFolder;

/// A sound folder with one thing spoilt, and what is said of it.
struct BadFolder {
  std::string name;
  ErrorCode code;
  std::vector<std::string> mentions;
  std::function<void(ModelFolder&, const test::TempDir&)> spoil;

  friend void PrintTo(const BadFolder& bad, std::ostream* out) { *out << bad.name; }
};

constexpr const char* kQ = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kNorm = "model.layers.0.input_layernorm.weight";

/// Writes the folder, spoils files, opens it.
void expect_refused(const BadFolder& bad) {
  const test::TempDir place;
  ModelFolder folder = test::small_llama_folder();
  folder.write(place);
  bad.spoil(folder, place);
  try {
    Model::load(place.path());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), bad.code) << error.what();
    const std::string message = error.what();
    EXPECT_NE(message.find(place.path().filename().string()), std::string::npos) << message;
    for (const std::string& part : bad.mentions)
      EXPECT_NE(message.find(part), std::string::npos) << part << ": " << message;
  }
}

/// Changes the tensors or the configuration before the folder is written.
auto with(std::function<void(ModelFolder&)> change) {
  return [change = std::move(change)](ModelFolder& folder, const test::TempDir& place) {
    change(folder);
    folder.write(place);
  };
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

std::vector<BadFolder> bad_folders() {
  std::vector<BadFolder> bad;
  const auto config = [&](const std::string& name, ErrorCode code, const std::string& mention,
                          const std::string& text) {
    bad.push_back({"config_" + name, code, {"config.json", mention}, [text](ModelFolder&, const test::TempDir& place) {
                     place.file("config.json", text);
                   }});
  };
  const auto field = [&](const std::string& name, ErrorCode code, const std::string& key, const std::string& from,
                         const std::string& to) {
    bad.push_back({"config_" + name, code, {key}, with([=](ModelFolder& folder) {
                     folder.config = replaced(folder.config, from, to);
                   })});
  };
  config("of_an_array", ErrorCode::bad_value, "", "[]");
  config("of_a_number", ErrorCode::bad_value, "", "7");
  config("cut", ErrorCode::bad_value, "", R"({"model_type":"llama")");
  config("of_bytes", ErrorCode::bad_value, "", std::string("\x80\x02}q", 4));
  config("without_type", ErrorCode::missing_key, "model_type", "{}");
  config("of_an_unknown_type", ErrorCode::unsupported_architecture, "gptj", R"({"model_type":"gptj"})");
  config("with_a_type_of_numbers", ErrorCode::wrong_type, "model_type", R"({"model_type":[1]})");
  config("with_a_field_twice", ErrorCode::duplicate, "vocab_size", R"({"vocab_size":1,"vocab_size":1})");
  config("deep", ErrorCode::bad_value, "", std::string(2000, '['));
  field("without_layers", ErrorCode::missing_key, "num_hidden_layers", R"("num_hidden_layers":1,)", "");
  field("of_no_layers", ErrorCode::bad_value, "num_hidden_layers", R"("num_hidden_layers":1)",
        R"("num_hidden_layers":0)");
  field("of_many_layers", ErrorCode::bad_value, "num_hidden_layers", R"("num_hidden_layers":1)",
        R"("num_hidden_layers":1000000000)");
  field("of_half_a_head", ErrorCode::wrong_type, "num_attention_heads", R"("num_attention_heads":2)",
        R"("num_attention_heads":2.5)");
  field("of_heads_that_do_not_divide", ErrorCode::bad_value, "num_attention_heads", R"("num_attention_heads":2)",
        R"("num_attention_heads":3)");
  field("of_a_width_in_words", ErrorCode::wrong_type, "hidden_size", R"("hidden_size":8)", R"("hidden_size":"8")");
  field("with_an_unknown_activation", ErrorCode::bad_value, "hidden_act", R"("rms_norm_eps")",
        R"("hidden_act":"snake","rms_norm_eps")");
  field("with_an_unknown_rotation", ErrorCode::bad_value, "rope_type", R"("rms_norm_eps")",
        R"("rope_scaling":{"rope_type":"spiral"},"rms_norm_eps")");
  field("of_more_layers_than_there_are", ErrorCode::missing_key, "model.layers.1.", R"("num_hidden_layers":1)",
        R"("num_hidden_layers":2)");
  field("of_another_vocabulary", ErrorCode::bad_shape, "embed_tokens", R"("vocab_size":12)", R"("vocab_size":13)");
  field("of_another_inner_width", ErrorCode::bad_shape, "gate_proj", R"("intermediate_size":16)",
        R"("intermediate_size":24)");
  field("of_more_kv_heads", ErrorCode::bad_shape, "k_proj", R"("num_key_value_heads":1)", R"("num_key_value_heads":2)");

  const auto files = [&](const std::string& name, ErrorCode code, const std::string& mention,
                         std::function<void(ModelFolder&, const test::TempDir&)> spoil) {
    bad.push_back({name, code, {mention}, std::move(spoil)});
  };
  files("no_weights", ErrorCode::io, "model.safetensors",
        [](ModelFolder&, const test::TempDir& place) { std::filesystem::remove(place.path() / "model.safetensors"); });
  files("weights_empty", ErrorCode::truncated, "model.safetensors",
        [](ModelFolder&, const test::TempDir& place) { place.file("model.safetensors", ""); });
  files("weights_cut", ErrorCode::truncated, "model.safetensors", [](ModelFolder& folder, const test::TempDir& place) {
    const std::string whole = folder.safetensors();
    place.file("model.safetensors", whole.substr(0, whole.size() - 1));
  });
  files("weights_a_folder", ErrorCode::io, "model.safetensors", [](ModelFolder&, const test::TempDir& place) {
    std::filesystem::remove(place.path() / "model.safetensors");
    std::filesystem::create_directory(place.path() / "model.safetensors");
  });
  const auto index = [&](const std::string& name, ErrorCode code, const std::string& mention, const std::string& map) {
    files("index_" + name, code, mention, [map](ModelFolder&, const test::TempDir& place) {
      place.file("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
    });
  };
  files("index_of_a_shard_that_is_missing", ErrorCode::io, "model-00002", [](ModelFolder&, const test::TempDir& place) {
    std::filesystem::remove(place.path() / "model.safetensors");
    place.file("model.safetensors.index.json", R"({"weight_map":{"a":"model-00002-of-00002.safetensors"}})");
  });
  index("outside_the_folder", ErrorCode::bad_value, "../", R"({"a":"../model.safetensors"})");
  index("of_an_absolute_path", ErrorCode::bad_value, "/etc", R"({"a":"/etc/passwd"})");
  index("of_a_tensor_that_is_missing", ErrorCode::missing_key, "'ghost'", R"({"ghost":"model.safetensors"})");
  index("of_numbers", ErrorCode::wrong_type, "weight_map", R"({"a":7})");
  index("of_nothing", ErrorCode::bad_value, "weight_map", "{}");
  files("index_cut", ErrorCode::bad_value, "index.json", [](ModelFolder&, const test::TempDir& place) {
    place.file("model.safetensors.index.json", R"({"weight_map":{"a")");
  });

  const auto tensor = [&](const std::string& name, ErrorCode code, std::vector<std::string> mentions,
                          std::function<void(ModelFolder&)> change) {
    bad.push_back({"tensor_" + name, code, std::move(mentions), with(std::move(change))});
  };
  for (const auto& [name, unused] : test::small_llama_folder().tensors) {
    if (name == "lm_head.weight") continue;  // then the embedding is the head
    std::string test = name;
    for (char& c : test)
      if (c == '.') c = '_';
    tensor("missing_" + test, ErrorCode::missing_key, {name.substr(6), "expected ["},
           [name = name](ModelFolder& folder) { folder.tensors.erase(name); });
    tensor("turned_" + test, ErrorCode::bad_shape, {name, "expected ["}, [name = name](ModelFolder& folder) {
      auto& shape = folder.tensors[name].shape;
      if (shape.size() == 2 && shape[0] != shape[1])
        std::swap(shape[0], shape[1]);
      else
        shape = {shape[0] * 2, 3};
    });
  }
  tensor("of_integers", ErrorCode::unsupported_type, {kQ, "I32"},
         [](ModelFolder& folder) { folder.tensors[kQ].type = "I32"; });
  tensor("of_bytes_without_scales", ErrorCode::unsupported_type, {kQ, "I8", "scales"},
         [](ModelFolder& folder) { folder.tensors[kQ].type = "I8"; });
  tensor("of_truths", ErrorCode::unsupported_type, {kNorm, "BOOL"},
         [](ModelFolder& folder) { folder.tensors[kNorm].type = "BOOL"; });
  tensor("with_scales_of_another_shape", ErrorCode::bad_shape, {kQ, "scale", "[3]"}, [](ModelFolder& folder) {
    folder.tensors[kQ].type = "F8_E4M3";
    folder.tensors[std::string(kQ) + "_scale_inv"] = {"F32", {3}};
  });
  tensor("with_scales_of_bytes", ErrorCode::wrong_type, {"scale", "I16"}, [](ModelFolder& folder) {
    folder.tensors[kQ].type = "F8_E4M3";
    folder.tensors[std::string(kQ) + "_scale"] = {"I16", {8}};
  });
  tensor("with_scales_of_three_dimensions", ErrorCode::bad_shape, {"scale"}, [](ModelFolder& folder) {
    folder.tensors[kQ].type = "F8_E5M2";
    folder.tensors[std::string(kQ) + "_scale"] = {"F32", {2, 2, 2}};
  });
  tensor("empty", ErrorCode::bad_shape, {kNorm}, [](ModelFolder& folder) { folder.tensors[kNorm].shape = {0}; });
  tensor("a_number", ErrorCode::bad_shape, {kNorm}, [](ModelFolder& folder) { folder.tensors[kNorm].shape = {}; });
  return bad;
}

class BadFolders : public testing::TestWithParam<BadFolder> {};
TEST_P(BadFolders, AreRefused) { expect_refused(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Named, BadFolders, testing::ValuesIn(bad_folders()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(BadFolder, TheOneThatTheyAreMadeOfIsSound) {
  const test::TempDir place;
  test::small_llama_folder().write(place);
  EXPECT_TRUE(is_model_folder(place.path()));
  EXPECT_EQ(Model::load(place.path()).spec().vocab_size, 12);
}

TEST(BadFolder, AFolderWithoutConfigIsNoModel) {
  const test::TempDir place;
  EXPECT_FALSE(is_model_folder(place.path()));
  EXPECT_THROW(open_model_file(place.path()), Error);
}

/// Any byte of the file of weights may be missing at its end.
TEST(BadFolder, CutAnywhereIsRefused) {
  const test::TempDir place;
  const ModelFolder folder = test::small_llama_folder();
  folder.write(place);
  const std::string whole = folder.safetensors();
  for (std::size_t n = 0; n < whole.size(); n += n < 1500 ? 1 : 97) {
    place.file("model.safetensors", whole.substr(0, n));
    EXPECT_THROW(open_model_file(place.path()), Error) << n << " bytes";
  }
}

}  // namespace
}  // namespace plumb::bad_folder_test
