/// Split models: the first part opens all.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/open_model.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/split_files.hpp"

namespace plumb {
namespace {

using test::TempDir;

/// Every tensor of `whole`, in the same order.
void expect_same_as_whole(const ModelFile& got, const ModelFile& whole) {
  ASSERT_EQ(got.tensors().size(), whole.tensors().size());
  for (std::size_t i = 0; i < whole.tensors().size(); ++i) {
    const GgufTensor &a = got.tensors()[i], &b = whole.tensors()[i];
    EXPECT_EQ(a.name, b.name);
    ASSERT_EQ(a.view.shape(), b.view.shape());
    EXPECT_TRUE(std::equal(a.view.data(), a.view.data() + a.view.bytes(), b.view.data())) << a.name;
    EXPECT_EQ(a.view.data(), got.files()[a.file]->bytes().data() + a.offset);
    EXPECT_EQ(got.find_tensor(b.name), &a);
  }
  for (const GgufEntry& entry : whole.metadata()) {
    ASSERT_NE(got.find(entry.key), nullptr) << entry.key;
    EXPECT_EQ(got.find(entry.key)->to_string(), entry.value.to_string());
  }
}

TEST(GgufParts, HoldWhatTheWholeHolds) {
  const test::GgufBuilder model = test::tiny_llama();
  const test::AlignedCopy bytes(model.bytes());
  const GgufFile whole = GgufFile::from_memory(bytes.bytes());
  for (const std::size_t count : {2u, 3u, 7u})
    for (const bool metadata_alone : {false, true})
      for (const auto mode : {FileMapping::Mode::map, FileMapping::Mode::read}) {
        const TempDir dir;
        const auto first = test::write_parts(dir, test::split(model, count, metadata_alone));
        const ModelFile file = open_model_file(first, {.mode = mode, .tokenizer = {}});
        ASSERT_EQ(file.files().size(), count);
        EXPECT_EQ(file.path(), first.native());
        EXPECT_EQ(file.format(), "GGUF v3 in " + std::to_string(count) + " parts");
        std::uint64_t all = 0;
        for (std::size_t p = 0; p < count; ++p) {
          EXPECT_EQ(file.files()[p]->path(), dir / test::part_name(p, count));
          all += file.files()[p]->size();
        }
        EXPECT_EQ(file.bytes(), all);
        expect_same_as_whole(file, whole);
      }
}

TEST(GgufParts, MayHaveAlignmentsOfTheirOwn) {
  const test::GgufBuilder model = test::tiny_llama();
  const test::AlignedCopy bytes(model.bytes());
  std::vector<test::GgufBuilder> parts = test::split(model, 3);
  parts[0].set_u32("general.alignment", 256);
  parts[0].alignment = 256;
  const TempDir dir;
  const GgufFile file = GgufFile::open(test::write_parts(dir, parts));
  EXPECT_EQ(file.alignment(), 256u);
  const GgufFile whole = GgufFile::from_memory(bytes.bytes());
  expect_same_as_whole(file, whole);
}

/// What a merged file may still say.
TEST(GgufParts, OneFileThatCountsItselfIsWhole) {
  for (const std::uint32_t count : {0u, 1u}) {
    test::GgufBuilder model = test::tiny_llama();
    model.set("split.no", test::value_type::u16, test::encoded(std::uint16_t{0}));
    model.set_u32("split.count", count);
    const TempDir dir;
    EXPECT_EQ(GgufFile::open(dir.file("m.gguf", model.bytes())).tensors().size(), model.tensors.size());
  }
}

TEST(GgufParts, ReleaseFindsTheFile) {
  const TempDir dir;
  const ModelFile file = open_model_file(test::write_parts(dir, test::split(test::tiny_llama(), 3)));
  const std::byte own{};
  file.release(&own, 1);
  for (const GgufTensor& tensor : file.tensors()) {
    const std::vector<std::byte> before(tensor.view.data(), tensor.view.data() + tensor.view.bytes());
    file.release(tensor.view.data(), tensor.view.bytes());
    EXPECT_TRUE(std::equal(before.begin(), before.end(), tensor.view.data())) << tensor.name;
  }
}

TEST(GgufParts, TensorErrorsNameThePart) {
  const TempDir dir;
  const ModelFile file = open_model_file(test::write_parts(dir, test::split(test::tiny_llama(), 3)));
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string message =
        test::expect_error(ErrorCode::bad_shape, [&] { file.fail_tensor(ErrorCode::bad_shape, tensor.name, "no"); });
    EXPECT_NE(message.find(test::part_name(tensor.file, 3)), std::string::npos) << message;
  }
}

TEST(GgufParts, ACopyOfTheMetadataIsOfOneFile) {
  const TempDir dir;
  const ModelFile file = open_model_file(test::write_parts(dir, test::split(test::tiny_llama(), 3)));
  GgufWriter writer;
  writer.copy_metadata(file);
  for (const GgufTensor& tensor : file.tensors())
    writer.add_tensor(tensor.name, tensor.view.dtype(), tensor.view.shape());
  writer.write(dir / "one.gguf", [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    const GgufTensor& tensor = file.get_tensor(plan.name);
    append({tensor.view.data(), tensor.view.bytes()});
  });
  const ModelFile one = open_model_file(dir / "one.gguf");
  EXPECT_EQ(one.find("split.count"), nullptr);
  expect_same_as_whole(file, one);
}

}  // namespace
}  // namespace plumb
