#include "plumb/cpu/kv_type.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tests/support/expect_error.hpp"

namespace plumb::kv_type_test {
namespace {

TEST(KvTypes, NamesAreReadBackInAnyCase) {
  std::set<int> indices;
  for (const DType type : {DType::f32, DType::f16, DType::i8}) {
    EXPECT_TRUE(is_kv_type(type));
    EXPECT_EQ(kv_type_from_name(kv_type_name(type)), type);
    EXPECT_NE(kKvTypeNames.find(kv_type_name(type)), std::string_view::npos);
    indices.insert(kv_index(type));
  }
  EXPECT_EQ(indices.size(), static_cast<std::size_t>(kKvTypes));
  for (const char* name : {"int8", "INT8", "q8_0", "Q8_0", "i8", "I8"}) EXPECT_EQ(kv_type_from_name(name), DType::i8);
  EXPECT_EQ(kv_type_from_name("F16"), DType::f16);
}

TEST(KvTypes, OthersAreRefusedWithTheList) {
  for (const char* name : {"", "q4_0", "bf16", "f8", "int8 ", "int4", "f32\n"}) {
    const std::string message = test::expect_error(ErrorCode::invalid_argument, [&] { (void)kv_type_from_name(name); });
    EXPECT_NE(message.find(kKvTypeNames), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  for (const DTypeInfo& info : kDTypes) {
    if (is_kv_type(info.type)) {
      EXPECT_NO_THROW(check_kv_type(info.type));
      continue;
    }
    const std::string message = test::expect_error(ErrorCode::invalid_argument, [&] { check_kv_type(info.type); });
    EXPECT_NE(message.find(info.name), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace plumb::kv_type_test
