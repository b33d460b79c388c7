/// GGUF reading: what independently encoded files hold, by either way of reading and in both versions.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "plumb/io/gguf.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::gguf_read_test {
namespace {

using test::encoded;
using test::encoded_array;
using test::expect_error;
namespace vt = test::value_type;

constexpr std::int64_t kMin64 = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

/// A key of every type, named by it, with values at the ends of their ranges.
test::GgufBuilder every_type() {
  test::GgufBuilder file = test::tiny_llama();
  file.set("u8", vt::u8, encoded(std::uint8_t{255}));
  file.set("i8", vt::i8, encoded(std::int8_t{-128}));
  file.set("u16", vt::u16, encoded(std::uint16_t{65535}));
  file.set("i16", vt::i16, encoded(std::int16_t{-32768}));
  file.set("u32", vt::u32, encoded(std::uint32_t{4294967295}));
  file.set("i32", vt::i32, encoded(std::numeric_limits<std::int32_t>::min()));
  file.set("f32", vt::f32, encoded(-1.5f));
  file.set("bool", vt::boolean, "\1");
  file.set("string", vt::string, encoded("h\u00e9llo"));
  file.set("u64", vt::u64, encoded(kMax64));
  file.set("i64", vt::i64, encoded(kMin64));
  file.set("f64", vt::f64, encoded(0.1));
  file.set("strings", vt::array, encoded_array(vt::string, 3, encoded("") + encoded("b") + encoded("cc")));
  file.set("shorts", vt::array, encoded_array(vt::i16, 2, encoded(std::int16_t{-7}) + encoded(std::int16_t{9})));
  file.set("doubles", vt::array, encoded_array(vt::f64, 2, encoded(0.5) + encoded(-2.0)));
  file.set("none", vt::array, encoded_array(vt::f32, 0, ""));
  file.set("nested", vt::array, encoded_array(vt::array, 1, encoded_array(vt::u8, 2, "\3\4")));
  return file;
}

void expect_every_type(const ModelFile& file) {
  EXPECT_EQ(file.get_int("u8"), 255);
  EXPECT_EQ(file.get_int("i8"), -128);
  EXPECT_EQ(file.get_int("u16"), 65535);
  EXPECT_EQ(file.get_int("i16"), -32768);
  EXPECT_EQ(file.get_int("u32"), 4294967295);
  EXPECT_EQ(file.get_int("i32"), -2147483648LL);
  EXPECT_EQ(file.get_int("i64"), kMin64);
  EXPECT_EQ(file.get_float("f32"), -1.5f);
  EXPECT_EQ(file.get_float("f64"), 0.1f);
  EXPECT_TRUE(file.get_bool("bool"));
  EXPECT_EQ(file.get_string("string"), "h\u00e9llo");
  EXPECT_EQ(file.find("u64")->to_string(), "18446744073709551615");
  EXPECT_EQ(file.get_strings("strings"), (std::vector<std::string_view>{"", "b", "cc"}));
  EXPECT_EQ(file.get_ints("shorts"), (std::vector<std::int32_t>{-7, 9}));
  EXPECT_EQ(file.get_floats("doubles"), (std::vector<float>{0.5f, -2.0f}));
  EXPECT_EQ(file.array_size("none"), 0u);
  const auto inner = GgufElements(*file.find("nested")).next();
  ASSERT_TRUE(inner);
  EXPECT_EQ(inner->size(), 2u);
}

TEST(GgufRead, EveryValueTypeInBothVersionsMappedAndRead) {
  const test::TempDir dir;
  for (const std::uint32_t version : {2u, 3u}) {
    test::GgufBuilder builder = every_type();
    builder.version = version;
    const auto path = dir.file("model.gguf", builder.bytes());
    for (const auto mode : {FileMapping::Mode::map, FileMapping::Mode::read}) {
      const GgufFile file = GgufFile::open(path, {mode});
      EXPECT_EQ(file.version(), version);
      EXPECT_EQ(file.files().front()->is_mapped(), mode == FileMapping::Mode::map);
      EXPECT_EQ(file.metadata().size(), builder.pairs.size());
      expect_every_type(file);
      ASSERT_EQ(file.tensors().size(), builder.tensors.size());
      for (const test::BuiltTensor& want : builder.tensors) {
        const GgufTensor& got = file.get_tensor(want.name);
        ASSERT_EQ(got.view.bytes(), want.data.size()) << want.name;
        EXPECT_EQ(std::memcmp(got.view.data(), want.data.data(), want.data.size()), 0) << want.name;
        EXPECT_EQ(got.view.cols(), static_cast<std::int64_t>(want.dims[0])) << "innermost first in the file";
      }
    }
  }
}

TEST(GgufRead, GettersSayWhatIsWrong) {
  const test::TempDir dir;
  const GgufFile file = GgufFile::open(dir.file("model.gguf", every_type().bytes()));
  const auto says = [](ErrorCode code, const char* mention, const auto& action) {
    const std::string message = expect_error(code, action);
    EXPECT_NE(message.find("model.gguf"), std::string::npos) << message;
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  says(ErrorCode::missing_key, "'absent'", [&] { (void)file.get_int("absent"); });
  says(ErrorCode::missing_key, "'absent'", [&] { (void)file.get_tensor("absent"); });
  says(ErrorCode::wrong_type, "'string'", [&] { (void)file.get_int("string"); });
  says(ErrorCode::wrong_type, "'u32'", [&] { (void)file.string_or("u32", "x"); });
  says(ErrorCode::wrong_type, "'f32'", [&] { (void)file.int_or("f32", 1); });
  says(ErrorCode::wrong_type, "'strings'", [&] { (void)file.get_ints("strings"); });
  says(ErrorCode::wrong_type, "'u8'", [&] { (void)file.get_strings("u8"); });
  says(ErrorCode::bad_value, "'u8'", [&] { (void)file.get_int("u8", 0, 254); });
  says(ErrorCode::bad_value, "'i8'", [&] { (void)file.get_int("i8", -127, 127); });
  says(ErrorCode::bad_value, "'u64'", [&] { (void)file.get_int("u64"); });
  EXPECT_EQ(file.int_or("absent", 7), 7);
  EXPECT_EQ(file.string_or("absent", "x"), "x");
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_EQ(file.find_tensor("absent"), nullptr);
}

TEST(GgufRead, StoriesFileHoldsWhatItsMakerWrote) {
  PLUMB_REQUIRE_FIXTURES();
  const GgufFile file = GgufFile::open(test::fixtures_dir() / "stories" / "stories260K-f32.gguf");
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_int("llama.block_count"), 5);
  EXPECT_EQ(file.get_strings("tokenizer.ggml.tokens").size(), 512u);
  EXPECT_EQ(file.get_tensor("token_embd.weight").view.shape(), (Shape{512, 64}));
}

}  // namespace
}  // namespace plumb::gguf_read_test
