/// What of a file no pass reads is told, and nothing else.

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/checkpoint.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/models.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb {
namespace {

using Strings = std::vector<std::string>;

/// What loading tells.
Strings warnings_of(const ModelFile& file) {
  Strings all;
  (void)Model::from_file(file,
                         {.exact = true, .warning = [&](std::string_view message) { all.emplace_back(message); }});
  return all;
}

TEST(LeftOut, NothingOfTheFixturesButUnusedCopies) {
  PLUMB_REQUIRE_FIXTURES();
  std::size_t read = 0;
  for (const char* folder : {"arch-dev", "arch2-dev", "stories"})
    for (const auto& entry : std::filesystem::directory_iterator(test::fixtures_dir() / folder)) {
      if (entry.path().extension() != ".gguf") continue;
      const GgufFile file = GgufFile::open(entry.path());
      // Layer 0 of RWKV 7 mixes no values of an earlier layer; its file has tensors for that all the same.
      const Strings expected = entry.path().stem() == "rwkv7"
                                   ? Strings{"3 tensors of 0.008704 MB are not read: 'blk.*.time_mix_v0.weight', "
                                             "'blk.*.time_mix_v1.weight', 'blk.*.time_mix_v2.weight'"}
                                   : Strings{};
      try {
        EXPECT_EQ(left_out(file, spec_from_file(file)), expected) << entry.path();
        ++read;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::unsupported_architecture) << e.what();
      }
    }
  EXPECT_GT(read, 60u);
}

TEST(LeftOut, NamesTensorsWithoutARole) {
  test::GgufBuilder builder = test::tiny_llama();
  EXPECT_EQ(warnings_of(test::BuiltModel(builder).file), Strings{});
  std::mt19937 random(3);
  builder.add_random("blk.0.attn_rot_embd.weight", {8}, random);
  EXPECT_EQ(warnings_of(test::BuiltModel(builder).file),
            Strings{"1 tensor of 3.2e-05 MB is not read: 'blk.*.attn_rot_embd.weight'"});
  builder.add_random("blk.1.attn_rot_embd.weight", {8}, random);
  builder.add_random("blk.77.attn_q.weight", {100, 100}, random);
  builder.add_random("odd\nname", {1}, random);
  const Strings notes = warnings_of(test::BuiltModel(builder).file);
  EXPECT_EQ(notes, Strings{"4 tensors of 0.04007 MB are not read: 'odd\\nname', 'blk.*.attn_q.weight', "
                           "'blk.*.attn_rot_embd.weight' (2)"});
  EXPECT_EQ(left_out(test::BuiltModel(builder).file, test::BuiltModel(builder).model.spec()), notes);
}

TEST(LeftOut, ManyKindsAreNotAllNamed) {
  test::GgufBuilder builder = test::tiny_llama();
  std::mt19937 random(3);
  for (int i = 0; i < 1000; ++i) builder.add_random("extra" + std::to_string(i), {1}, random);
  const Strings notes = warnings_of(test::BuiltModel(builder).file);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_LT(notes[0].size(), 200u);
  EXPECT_EQ(notes[0].substr(0, 13), "1000 tensors ");
}

/// The last `guesses` layers of a fixture predict further tokens.
Strings notes_with_guesses(const std::string& family, std::uint32_t guesses) {
  const GgufFile file = GgufFile::open(test::architecture_fixture(family + ".gguf"));
  const test::TempDir dir;
  GgufWriter writer;
  writer.set(family + ".nextn_predict_layers", guesses);
  writer.copy_metadata(file);
  for (const GgufTensor& tensor : file.tensors())
    writer.add_tensor(tensor.name, tensor.view.dtype(), tensor.view.shape());
  const auto last = static_cast<int>(file.get_int(family + ".block_count")) - 1;
  writer.add_tensor("blk." + std::to_string(last) + ".nextn.eh_proj.weight", DType::f32, Shape{500, 500});
  writer.write(dir / "m.gguf", [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    const GgufTensor* const tensor = file.find_tensor(plan.name);
    if (tensor) return append({tensor->view.data(), tensor->view.bytes()});
    append(std::vector<std::byte>(plan.bytes));
  });
  return warnings_of(GgufFile::open(dir / "m.gguf"));
}

TEST(LeftOut, LayersThatPredictFurtherTokensAreToldByNumber) {
  PLUMB_REQUIRE_FIXTURES();
  const GgufFile file = GgufFile::open(test::architecture_fixture("glm4moe.gguf"));
  const auto layers = static_cast<int>(file.get_int("glm4moe.block_count"));
  std::map<int, std::size_t> tensors;
  for (const GgufTensor& tensor : file.tensors()) ++tensors[split_gguf_name(tensor.name).layer];
  const std::string last = std::to_string(layers - 1), before = std::to_string(layers - 2);
  const Strings one = notes_with_guesses("glm4moe", 1), two = notes_with_guesses("glm4moe", 2);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].find("layer " + last + " of glm4moe predicts further tokens and is not run: " +
                        std::to_string(tensors[layers - 1] + 1) + " tensors of 1."),
            0u)
      << one[0];
  EXPECT_TRUE(one[0].ends_with("MB, such as 'blk." + last + ".nextn.eh_proj.weight'")) << one[0];
  ASSERT_EQ(two.size(), 1u);
  EXPECT_EQ(two[0].find("layers " + before + " to " + last + " of glm4moe predict further tokens and are not run: " +
                        std::to_string(tensors[layers - 1] + tensors[layers - 2] + 1) + " tensors of "),
            0u)
      << two[0];
}

}  // namespace
}  // namespace plumb
