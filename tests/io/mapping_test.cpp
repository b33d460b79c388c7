#include "plumb/io/mapping.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <string>

#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::mapping_test {
namespace {

using test::expect_error;

std::string text_of(const FileMapping& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.size()};
}

TEST(FileMapping, MappedAndReadBytesAreTheFiles) {
  const test::TempDir dir;
  for (const std::size_t size : {1u, 4095u, 4096u, 4097u, 300000u}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
    const auto path = dir.file("file", bytes);
    for (const auto mode : {FileMapping::Mode::map, FileMapping::Mode::read}) {
      const auto file = FileMapping::open(path, mode);
      EXPECT_EQ(file->is_mapped(), mode == FileMapping::Mode::map);
      EXPECT_EQ(text_of(*file), bytes);
      file->advise(0, size, AccessAdvice::will_need);
      file->advise(size + 5, 1, AccessAdvice::random);
      file->release(0, size);
      file->release(1, static_cast<std::size_t>(-1));
      EXPECT_EQ(text_of(*file), bytes) << "released pages come back";
    }
  }
}

TEST(FileMapping, RefusesWhatIsNoFile) {
  const test::TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  for (const std::string& path : {(dir / "absent").native(), dir.path().native(), (dir / "fifo").native(),
                                  std::string("/dev/null"), std::string("/dev/zero")}) {
    const std::string message = expect_error(ErrorCode::io, [&] { (void)FileMapping::open(path); });
    EXPECT_NE(message.find(path), std::string::npos) << message;
  }
  expect_error(ErrorCode::truncated, [&] { (void)FileMapping::open(dir.file("empty", "")); });
  const std::string message = expect_error(ErrorCode::io, [&] { (void)FileMapping::open(dir / "\x1b[2J"); });
  EXPECT_NE(message.find("\\x1b[2J"), std::string::npos) << message;
}

TEST(FileMapping, BorrowsAlignedMemoryOnly) {
  const test::AlignedCopy copy(std::string(200, 'x'));
  EXPECT_EQ(FileMapping::borrow(copy.bytes(), "here")->bytes().data(), copy.bytes().data());
  expect_error(ErrorCode::invalid_argument, [&] { (void)FileMapping::borrow(copy.bytes().subspan(1), "here"); });
  expect_error(ErrorCode::truncated, [&] { (void)FileMapping::borrow({}, "here"); });
}

}  // namespace
}  // namespace plumb::mapping_test
