/// GGUF files that are unusual and right: the reader must accept them.

#include <gtest/gtest.h>

#include <vector>

#include "plumb/io/gguf.hpp"
#include "tests/support/hostile.hpp"

namespace plumb::odd_gguf_test {
namespace {

using test::encoded_array;
using test::GgufBuilder;
namespace vt = test::value_type;

void open_only(std::span<const std::byte> bytes) { (void)GgufFile::from_memory(bytes, "odd.gguf"); }

class OddGguf : public testing::Test {
 protected:
  static void expect_accepted(const GgufBuilder& file) {
    const auto outcome = test::read_bounded(file.bytes(), open_only);
    EXPECT_FALSE(outcome.code) << outcome.message;
  }
};

TEST_F(OddGguf, VersionsAndAlignments) {
  GgufBuilder file = test::small_gguf();
  expect_accepted(file);  // so that each file above is bad for the reason its name gives
  file.version = 2;
  expect_accepted(file);
  for (const std::uint32_t alignment : {8u, 16u, 32u, 64u, 4096u, 1u << 20}) {
    GgufBuilder aligned = test::small_gguf();
    aligned.alignment = alignment;
    aligned.set_u32("general.alignment", alignment);
    expect_accepted(aligned);
  }
}

TEST_F(OddGguf, NoKeysAndNoTensors) { expect_accepted(GgufBuilder()); }

TEST_F(OddGguf, GapsReverseOrderAndBytesBehindTheLastTensor) {
  GgufBuilder file = test::small_gguf();
  file.tensor("c").data += std::string(1000, '\0');
  file.tensor("c").offset = 0;
  file.tensor("b").offset = 512;
  file.tensor("a").offset = 1024;
  expect_accepted(file);
}

TEST_F(OddGguf, EveryTypeIdOfTheFormat) {
  for (const DTypeInfo& info : kDTypes) {
    if (info.in_memory()) continue;  // not of the format
    GgufBuilder file;
    auto& t = file.tensor("t");
    t.type = static_cast<std::uint32_t>(info.type);
    t.dims = {info.block_elements, 3};
    t.data = std::string(std::size_t{3} * info.block_bytes, '\0');
    expect_accepted(file);
  }
}

TEST_F(OddGguf, ArraysNestedToTheLimit) {
  std::string nested = encoded_array(vt::u8, 2, "xy");
  for (int i = 0; i < 7; ++i) nested = encoded_array(vt::array, 1, nested);
  GgufBuilder file = test::small_gguf();
  file.set("nested", vt::array, nested);
  expect_accepted(file);
}

TEST_F(OddGguf, KeysOfAnyBytes) {
  GgufBuilder file = test::small_gguf();
  file.set_u32(std::string("nul\0inside", 10), 1);
  file.set_u32("\xff\xfe", 1);
  file.set_u32(std::string(65535, 'k'), 1);
  expect_accepted(file);
}

}  // namespace
}  // namespace plumb::odd_gguf_test
