/// GGUF writing: what is written comes back, equals an independent encoding, and never replaces a file by half of one.

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "plumb/io/gguf_writer.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::gguf_write_test {
namespace {

using test::AlignedCopy;
using test::expect_error;
using test::TempDir;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Appends the bytes of the tensor of the same name.
GgufProduce from_builder(const test::GgufBuilder& source) {
  return [&source](const GgufTensorPlan& plan, const GgufAppend& append) {
    for (const auto& tensor : source.tensors)
      if (tensor.name == plan.name) append(std::as_bytes(std::span(tensor.data)));
  };
}

Shape shape_of(const test::BuiltTensor& tensor) {
  std::vector<std::int64_t> dims(tensor.dims.rbegin(), tensor.dims.rend());
  return Shape(dims);
}

TEST(GgufWrite, EveryScalarTypeComesBack) {
  TempDir dir;
  GgufWriter writer;
  writer.set("u8", std::uint8_t{255});
  writer.set("i8", std::int8_t{-128});
  writer.set("u16", std::uint16_t{65535});
  writer.set("i16", std::int16_t{-32768});
  writer.set("u32", std::uint32_t{4294967295});
  writer.set("i32", std::numeric_limits<std::int32_t>::min());
  writer.set("u64", std::numeric_limits<std::uint64_t>::max());
  writer.set("i64", std::numeric_limits<std::int64_t>::min());
  writer.set("f32", 1.5f);
  writer.set("f64", 0.1);
  writer.set("yes", true);
  writer.set("no", false);
  writer.set("text", "plumb line");
  writer.set("empty", "");
  writer.write(dir / "a.gguf", {});

  const GgufFile file = GgufFile::open(dir / "a.gguf");
  EXPECT_EQ(file.get_int("u8"), 255);
  EXPECT_EQ(file.get_int("i8"), -128);
  EXPECT_EQ(file.get_int("u16"), 65535);
  EXPECT_EQ(file.get_int("i16"), -32768);
  EXPECT_EQ(file.get_int("u32"), 4294967295);
  EXPECT_EQ(file.get_int("i32"), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(file.get_int("i64"), std::numeric_limits<std::int64_t>::min());
  expect_error(ErrorCode::bad_value, [&] { (void)file.get_int("u64"); });
  EXPECT_EQ(file.find("u64")->to_string(), "18446744073709551615");
  EXPECT_EQ(file.get_float("f32"), 1.5f);
  EXPECT_EQ(file.find("f64")->as_float(), 0.1);
  EXPECT_TRUE(file.get_bool("yes"));
  EXPECT_FALSE(file.get_bool("no"));
  EXPECT_EQ(file.get_string("text"), "plumb line");
  EXPECT_EQ(file.get_string("empty"), "");
  EXPECT_EQ(file.metadata().size(), 14u);
  EXPECT_EQ(file.metadata()[0].key, "u8") << "the order of setting is the order in the file";
}

TEST(GgufWrite, ArraysOfEveryTypeComeBackNestedOnesToo) {
  TempDir dir;
  GgufWriter writer;
  const std::vector<std::int32_t> ints = {1, -2, 3};
  const std::vector<float> floats = {0.5f, -1.0f};
  const std::vector<double> doubles = {0.25};
  const std::vector<std::string> strings = {"a", "", std::string("\0b", 2)};
  writer.set("ints", GgufArray::of<std::int32_t>(ints));
  writer.set("floats", GgufArray::of<float>(floats));
  writer.set("doubles", GgufArray::of<double>(doubles));
  writer.set("strings", GgufArray::of_strings(strings));
  writer.set("none", GgufArray(GgufType::string));
  GgufArray flags(GgufType::boolean);
  flags.add(true);
  flags.add(false);
  writer.set("flags", flags);
  GgufArray outer(GgufType::array);  // [[1, -2, 3], [0.5, -1], ["a", "", "\0b"], []]
  outer.add(GgufArray::of<std::int32_t>(ints));
  outer.add(GgufArray::of<float>(floats));
  outer.add(GgufArray::of_strings(strings));
  outer.add(GgufArray(GgufType::array));
  writer.set("nested", outer);
  writer.set("after", 7u);
  writer.write(dir / "a.gguf", {});

  const GgufFile file = GgufFile::open(dir / "a.gguf");
  EXPECT_EQ(file.get_ints("ints"), ints);
  EXPECT_EQ(file.get_floats("floats"), floats);
  EXPECT_EQ(file.get_floats("doubles"), std::vector<float>{0.25f});
  const auto read_strings = file.get_strings("strings");
  EXPECT_TRUE(std::equal(read_strings.begin(), read_strings.end(), strings.begin(), strings.end()));
  EXPECT_EQ(file.array_size("none"), 0u);
  EXPECT_EQ(file.find("flags")->to_string(), "[true, false]");
  EXPECT_EQ(file.find("nested")->to_string(),
            "[array of i32 x 3, array of f32 x 2, array of string x 3, array of array x 0]");
  GgufElements elements(*file.find("nested"));
  (void)elements.next();
  const auto second = elements.next();
  ASSERT_TRUE(second && second->is_array());
  GgufElements inner(*second);
  EXPECT_EQ(inner.next()->as_float(), 0.5);
  EXPECT_EQ(inner.next()->as_float(), -1.0);
  EXPECT_FALSE(inner.next());
  EXPECT_EQ(file.get_int("after"), 7);
  expect_error(ErrorCode::invalid_argument, [&] { flags.add(1.0f); });
}

TEST(GgufWrite, EqualsAnIndependentEncoding) {
  TempDir dir;
  for (const std::uint32_t alignment : {8u, 32u, 4096u}) {
    test::GgufBuilder source;
    source.alignment = alignment;
    if (alignment != 32) source.set_u32("general.alignment", alignment);
    test::add_tiny_llama(source, test::add_spm_vocabulary(source, true));
    GgufWriter writer(alignment);
    const std::string expected = source.bytes();
    const AlignedCopy copy(expected);
    const GgufFile original = GgufFile::from_memory(copy.bytes());
    writer.copy_metadata(original);
    for (const auto& tensor : source.tensors) writer.add_tensor(tensor.name, DType::f32, shape_of(tensor));
    writer.write(dir / "a.gguf", from_builder(source));
    std::string written = test::read_file(dir / "a.gguf");
    ASSERT_GE(written.size(), expected.size());
    EXPECT_LT(written.size() - expected.size(), alignment) << "only the padding of the last tensor may be more";
    written.resize(expected.size());
    EXPECT_EQ(written, expected);
  }
}

TEST(GgufWrite, FixtureFilesSurviveReadingAndWriting) {
  PLUMB_REQUIRE_FIXTURES();
  TempDir dir;
  for (const char* name : {"stories/stories260K-Q4_0.gguf", "arch-dev/gemma3.gguf", "quant-models/Q4_K_M.gguf"}) {
    const auto path = test::fixtures_dir() / name;
    if (!std::filesystem::exists(path)) continue;
    const GgufFile original = GgufFile::open(path);
    GgufWriter writer(original.alignment(), original.version());
    writer.copy_metadata(original);
    for (const GgufTensor& tensor : original.tensors())
      writer.add_tensor(tensor.name, tensor.view.dtype(), tensor.view.shape());
    writer.write(dir / "copy.gguf", [&](const GgufTensorPlan& plan, const GgufAppend& append) {
      const ConstTensorView view = original.get_tensor(plan.name).view;
      for (std::int64_t r = 0; r < view.rows(); ++r) append({view.row(r), view.row_bytes()});
    });
    EXPECT_EQ(test::read_file(dir / "copy.gguf"), test::read_file(path)) << name;
  }
}

TEST(GgufWrite, SettingAgainReplacesAndRemovingRemoves) {
  GgufWriter writer;
  writer.set("a", 1u);
  writer.set("b", 2u);
  writer.set("c", 3u);
  writer.set("a", "now text");
  writer.remove("b");
  writer.set("c", 4u);
  const std::vector<std::byte> header = writer.header();
  const AlignedCopy copy(text_of(header));
  const GgufFile file = GgufFile::from_memory(copy.bytes());
  EXPECT_EQ(file.metadata().size(), 2u);
  EXPECT_EQ(file.get_string("a"), "now text");
  EXPECT_EQ(file.get_int("c"), 4);
}

TEST(GgufWrite, RefusesWhatNoReaderWouldTake) {
  GgufWriter writer;
  expect_error(ErrorCode::invalid_argument, [] { GgufWriter(13); });
  expect_error(ErrorCode::invalid_argument, [] { GgufWriter(0); });
  expect_error(ErrorCode::invalid_argument, [] { GgufWriter(32, 1); });
  expect_error(ErrorCode::invalid_argument, [&] { writer.set("", 1u); });
  expect_error(ErrorCode::invalid_argument, [&] { writer.set(std::string(65536, 'k'), 1u); });
  expect_error(ErrorCode::invalid_argument, [&] { writer.set("general.alignment", 64u); });
  expect_error(ErrorCode::bad_shape, [&] { writer.add_tensor("t", DType::q4_0, Shape{4, 33}); });
  expect_error(ErrorCode::bad_shape, [&] { writer.add_tensor("t", DType::f32, Shape{0, 32}); });
  expect_error(ErrorCode::bad_shape, [&] { writer.add_tensor("t", DType::f32, Shape{}); });
  writer.add_tensor("t", DType::f32, Shape{2});
  expect_error(ErrorCode::duplicate, [&] { writer.add_tensor("t", DType::f32, Shape{2}); });
}

TEST(GgufWrite, AFailureLeavesTheOldFileAndNoOther) {
  TempDir dir;
  const auto path = dir.file("model.gguf", "the old contents");
  GgufWriter writer;
  writer.add_tensor("t", DType::f32, Shape{2, 2});
  const std::vector<float> values(5, 1.0f);
  const auto give = [&](std::size_t count) -> GgufProduce {
    return [&values, count](const GgufTensorPlan&, const GgufAppend& append) {
      append(std::as_bytes(std::span(values).first(count)));
    };
  };
  expect_error(ErrorCode::invalid_argument, [&] { writer.write(path, give(3)); });
  expect_error(ErrorCode::invalid_argument, [&] { writer.write(path, give(5)); });
  EXPECT_THROW(writer.write(path, [](const GgufTensorPlan&, const GgufAppend&) { throw std::logic_error("mine"); }),
               std::logic_error);
  EXPECT_EQ(test::read_file(path), "the old contents");
  EXPECT_EQ(dir.entries(), 1u) << "temporary files were left behind";
  writer.write(path, give(4));
  EXPECT_EQ(GgufFile::open(path).get_tensor("t").view.span<float>()[3], 1.0f);
  EXPECT_EQ(dir.entries(), 1u);
}

}  // namespace
}  // namespace plumb::gguf_write_test
