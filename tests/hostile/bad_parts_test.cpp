/// Split models whose parts do not belong together, or are damaged: refused, naming the part.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/split_files.hpp"

namespace plumb {
namespace {

using test::encoded;
using test::expect_error;
using test::TempDir;
namespace vt = test::value_type;

using Parts = std::vector<test::GgufBuilder>;

const std::string kFirst = test::part_name(0, 3), kSecond = test::part_name(1, 3), kThird = test::part_name(2, 3);

/// Three parts after `change` are refused with this code, by a message that has `mention`, within bounds of memory.
void refused(ErrorCode code, const std::string& mention, const std::function<void(Parts&)>& change,
             const std::function<void(const TempDir&)>& change_files = {}) {
  SCOPED_TRACE(mention);
  Parts parts = test::split(test::tiny_llama(), 3);
  change(parts);
  const TempDir dir;
  const auto first = test::write_parts(dir, parts);
  if (change_files) change_files(dir);
  const test::AllocationMeter meter;
  const std::string message = expect_error(code, [&] { (void)open_model_file(first); });
  EXPECT_LE(meter.peak(), test::kMemoryBase);
  EXPECT_NE(message.find(mention), std::string::npos) << message;
}

void u16(test::GgufBuilder& part, const char* key, int value) {
  part.set(key, vt::u16, encoded(static_cast<std::uint16_t>(value)));
}

void nothing(Parts&) {}

TEST(BadParts, MissingFiles) {
  refused(ErrorCode::io, kSecond, nothing, [](const TempDir& dir) { std::filesystem::remove(dir / kSecond); });
  refused(ErrorCode::io, kThird, nothing, [](const TempDir& dir) { std::filesystem::remove(dir / kThird); });
  refused(ErrorCode::io, kSecond, nothing, [](const TempDir& dir) {
    std::filesystem::remove(dir / kSecond);
    std::filesystem::create_directory(dir / kSecond);
  });
  refused(ErrorCode::truncated, kThird, nothing, [](const TempDir& dir) { dir.file(kThird, ""); });
}

TEST(BadParts, NumbersAndCounts) {
  refused(ErrorCode::bad_value, kSecond + ": key 'split.no': 2, expected 1",
          [](Parts& p) { u16(p[1], "split.no", 2); });
  refused(ErrorCode::bad_value, kThird + ": key 'split.count': 4, expected 3",
          [](Parts& p) { u16(p[2], "split.count", 4); });
  refused(ErrorCode::bad_value, kThird + ": key 'split.no': 0, expected 2", nothing, [](const TempDir& dir) {
    std::filesystem::copy_file(dir / kFirst, dir / kThird, std::filesystem::copy_options::overwrite_existing);
  });
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) {
    refused(ErrorCode::missing_key, kSecond + ": key '" + key + "'", [key](Parts& p) { p[1].erase(key); });
    refused(ErrorCode::wrong_type, kThird + ": key '" + key + "'", [key](Parts& p) { p[2].set_string(key, "1"); });
  }
  refused(ErrorCode::missing_key, kFirst + ": key 'split.no'", [](Parts& p) { p[0].erase("split.no"); });
  refused(ErrorCode::bad_value, kFirst + ": key 'split.no': ", [](Parts& p) { u16(p[0], "split.no", 3); });
  refused(ErrorCode::bad_value, kFirst + ": key 'split.count': ", [](Parts& p) {
    p[0].set("split.count", vt::i32, encoded(std::int32_t{-1}));
  });
  refused(ErrorCode::bad_value, kFirst + ": key 'split.count': ", [](Parts& p) { p[0].set_u32("split.count", 65536); });
  // More parts than the name of the first says: there are no such files.
  refused(ErrorCode::bad_value, "-00001-of-65535.gguf", [](Parts& p) { u16(p[0], "split.count", 65535); });
}

TEST(BadParts, CountsOfTensors) {
  const auto say = [](int part, std::int32_t count) {
    return [=](Parts& parts) {
      for (std::size_t p = 0; p < parts.size(); ++p)
        if (part < 0 || static_cast<std::size_t>(part) == p)
          parts[p].set("split.tensors.count", vt::i32, encoded(count));
    };
  };
  const auto all = static_cast<std::int32_t>(test::tiny_llama().tensors.size());
  const std::string key = ": key 'split.tensors.count': ";
  refused(ErrorCode::bad_value, kSecond + key, say(1, all + 1));
  refused(ErrorCode::bad_value, kThird + key + std::to_string(all + 1), say(-1, all + 1));
  refused(ErrorCode::bad_value, kThird + key + std::to_string(all - 1), say(-1, all - 1));
  refused(ErrorCode::bad_value, kFirst + key + "1", say(-1, 1));
  refused(ErrorCode::bad_value, kFirst + key, say(-1, -1));
  refused(ErrorCode::bad_value, kFirst + key, say(-1, std::numeric_limits<std::int32_t>::max()));
  refused(ErrorCode::bad_value, kThird + key, [](Parts& p) { p[2].tensors.pop_back(); });
}

TEST(BadParts, TensorsThatStandTwice) {
  refused(ErrorCode::duplicate, kThird + ": tensor 'token_embd.weight'",
          [](Parts& p) { p[2].tensors.back() = p[0].tensor("token_embd.weight"); });
  refused(ErrorCode::duplicate, kSecond + ": tensor ",
          [](Parts& p) { p[1].tensors.back().name = p[1].tensors.front().name; });
}

TEST(BadParts, DamagedFiles) {
  for (const std::string& name : {kFirst, kSecond, kThird}) {
    refused(ErrorCode::truncated, name, nothing, [&](const TempDir& dir) {
      std::filesystem::resize_file(dir / name, std::filesystem::file_size(dir / name) - 1);
    });
    refused(ErrorCode::truncated, name, nothing,
            [&](const TempDir& dir) { std::filesystem::resize_file(dir / name, 23); });
  }
  refused(ErrorCode::bad_magic, kSecond, [](Parts& p) { p[1].magic = "GGML"; });
  refused(ErrorCode::unsupported_version, kThird, [](Parts& p) { p[2].version = 1; });
  refused(ErrorCode::bad_offset, kThird, [](Parts& p) { p[2].tensors.back().offset = 32; });
}

/// Cut off at every byte of its header and some of its data: never accepted.
TEST(BadParts, CutAnywhere) {
  const Parts parts = test::split(test::tiny_llama(), 3);
  const TempDir dir;
  const auto first = test::write_parts(dir, parts);
  const std::string last = parts[2].bytes();
  const std::size_t header = parts[2].header().size();
  for (std::size_t size = 0; size < last.size(); size += size < header ? 1 : 97) {
    dir.file(kThird, std::string_view(last).substr(0, size));
    EXPECT_THROW((void)open_model_file(first), Error) << size;
  }
}

TEST(BadParts, LaterPartsNameTheFirst) {
  const TempDir dir;
  test::write_parts(dir, test::split(test::tiny_llama(), 3));
  for (const std::string& name : {kSecond, kThird}) {
    const std::string message = expect_error(ErrorCode::invalid_argument, [&] { (void)open_model_file(dir / name); });
    EXPECT_NE(message.find((dir / kFirst).native()), std::string::npos) << message;
    EXPECT_NE(message.find(name), std::string::npos) << message;
  }
}

TEST(BadParts, NamesThatDoNotCount) {
  const TempDir dir;
  const Parts parts = test::split(test::tiny_llama(), 3);
  test::write_parts(dir, parts);
  for (const char* name : {"m.gguf", "m-00001-of-00004.gguf", "m-00002-of-00004.gguf", "m-1-of-3.gguf"}) {
    const std::string message =
        expect_error(ErrorCode::bad_value, [&] { (void)open_model_file(dir.file(name, parts[0].bytes())); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("-00001-of-00003.gguf"), std::string::npos) << message;
  }
  expect_error(ErrorCode::bad_value, [&] { (void)open_model_file(dir.file("renamed.gguf", parts[1].bytes())); });
}

}  // namespace
}  // namespace plumb
