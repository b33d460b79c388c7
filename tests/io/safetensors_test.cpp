// safetensors files: what a header says, shards by an index, and the fixtures' folders.

#include "plumb/io/safetensors.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/safetensors_bytes.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::safetensors_test {
namespace {

TEST(Safetensors, TensorsOfAFileInAnyOrder) {
  const std::string bytes = test::safetensors_bytes(
      R"({"__metadata__":{"format":"pt"},
          "b":{"dtype":"I64","shape":[],"data_offsets":[12,20]},
          "a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},
          "nothing":{"shape":[4,0],"data_offsets":[12,12],"dtype":"F32"}}   )",
      20);
  const test::AlignedCopy copy(bytes);
  const Safetensors file = Safetensors::from_mapping(FileMapping::borrow(copy.bytes(), "t"));
  ASSERT_EQ(file.tensors().size(), 3u);
  const SafeTensor* a = file.find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(safe_type_name(a->type), "BF16");
  EXPECT_EQ(a->shape, (std::vector<std::int64_t>{2, 3}));
  ASSERT_EQ(a->bytes.size(), 12u);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(static_cast<std::size_t>(a->bytes[i]), i);
  const SafeTensor* b = file.find("b");
  ASSERT_TRUE(b);
  EXPECT_TRUE(b->shape.empty());
  EXPECT_EQ(static_cast<int>(b->bytes[0]), 12);
  EXPECT_EQ(file.find("nothing")->bytes.size(), 0u);
  EXPECT_EQ(file.find("c"), nullptr);
}

TEST(Safetensors, ShardsByAnIndex) {
  const test::TempDir folder;
  folder.file("one.safetensors",
              test::safetensors_bytes(R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3));
  folder.file("two.safetensors",
              test::safetensors_bytes(R"({"y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  const std::string index = "model.safetensors.index.json";
  folder.file(index, R"({"metadata":{"total_size":5},"weight_map":{"x":"one.safetensors","y":"two.safetensors"}})");
  const Safetensors model = Safetensors::open_folder(folder.path());
  EXPECT_EQ(model.files().size(), 2u);
  EXPECT_EQ(model.find("x")->file, 0u);
  EXPECT_EQ(model.find("y")->file, 1u);

  const auto refused = [&](const std::string& map, ErrorCode code, const std::string& mention) {
    folder.file(index, R"({"weight_map":)" + map + "}");
    const std::string message = test::expect_error(code, [&] { Safetensors::open_folder(folder.path()); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused(R"({"x":"two.safetensors","y":"two.safetensors"})", ErrorCode::missing_key, "'x'");
  refused(R"({"x":"one.safetensors","z":"two.safetensors"})", ErrorCode::missing_key, "'z'");
  refused(R"({"x":"../one.safetensors"})", ErrorCode::bad_value, "weight_map.x");
  refused(R"({"x":"/etc/passwd"})", ErrorCode::bad_value, "weight_map.x");
  refused(R"({"x":".."})", ErrorCode::bad_value, "weight_map.x");
  refused(R"({"x":""})", ErrorCode::bad_value, "weight_map.x");
  refused(R"({"x":7})", ErrorCode::wrong_type, "weight_map.x");
  refused(R"({})", ErrorCode::bad_value, "weight_map");
  refused(R"([])", ErrorCode::wrong_type, "weight_map");
  refused("null", ErrorCode::missing_key, "weight_map");
  refused(R"({"x":"absent.safetensors"})", ErrorCode::io, "absent.safetensors");
  folder.file("two.safetensors",
              test::safetensors_bytes(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  refused(R"({"x":"one.safetensors","y":"two.safetensors"})", ErrorCode::duplicate, "'x'");
}

TEST(Safetensors, AnIndexThatWasLeftBehindIsNotAsked) {
  const test::TempDir folder;
  folder.file("model.safetensors",
              test::safetensors_bytes(R"({"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3));
  const auto index = [&](const std::string& map) {
    folder.file("model.safetensors.index.json", R"({"weight_map":)" + map + "}");
  };
  index(R"({"x":"model-00001-of-00002.safetensors","y":"model-00002-of-00002.safetensors"})");
  EXPECT_EQ(Safetensors::open_folder(folder.path()).tensors().size(), 1u);
  folder.file("model-00001-of-00002.safetensors",
              test::safetensors_bytes(R"({"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_EQ(Safetensors::open_folder(folder.path()).find("x")->bytes.size(), 3u) << "one shard is not enough";
  folder.file("model-00002-of-00002.safetensors",
              test::safetensors_bytes(R"({"y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2));
  EXPECT_EQ(Safetensors::open_folder(folder.path()).tensors().size(), 2u);
  index(R"({"x":"../model.safetensors"})");
  test::expect_error(ErrorCode::bad_value, [&] { Safetensors::open_folder(folder.path()); });
}

TEST(Safetensors, FoldersWithoutWeightsAreRefused) {
  const test::TempDir folder;
  EXPECT_FALSE(Safetensors::in_folder(folder.path()));
  test::expect_error(ErrorCode::io, [&] { Safetensors::open_folder(folder.path()); });
}

TEST(Safetensors, EveryFolderOfTheFixtures) {
  PLUMB_REQUIRE_FIXTURES();
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixtures_dir() / "hf-dev")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Safetensors model = Safetensors::open_folder(entry.path());
    EXPECT_GT(model.tensors().size(), 5u);
    ++folders;
  }
  EXPECT_GT(folders, 40);
}

}  // namespace
}  // namespace plumb::safetensors_test
