/// AtomicFile: the name always stands for a whole file, whatever fails.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "plumb/io/atomic_file.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::atomic_file_test {
namespace {

using test::expect_error;
using test::TempDir;

class AtomicFileTest : public testing::TestWithParam<AtomicFile::Temporary> {};

/// Caps the size of files that this process may write, which makes write() fail as a full disk does.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);  // or the write would kill the process
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST_P(AtomicFileTest, AFullDiskIsReportedAndTheOldFileStays) {
  TempDir dir;
  const auto path = dir.file("out.bin", "old");
  const std::string block(std::size_t{1} << 20, 'x');
  {
    const FileSizeLimit limit(rlim_t{3} << 20);
    const std::string message = expect_error(ErrorCode::io, [&] {
      AtomicFile file(path, GetParam());
      for (int i = 0; i < 5; ++i) file.write(block);
      file.commit();
    });
    EXPECT_NE(message.find("out.bin"), std::string::npos) << message;
  }
  EXPECT_EQ(test::read_file(path), "old");
  EXPECT_EQ(dir.entries(), 1u);
}

TEST_P(AtomicFileTest, AFailedFileCannotBeCommitted) {
  TempDir dir;
  AtomicFile file(dir / "out.bin", GetParam());
  const std::string block(std::size_t{1} << 20, 'x');
  {
    const FileSizeLimit limit(rlim_t{1} << 19);
    expect_error(ErrorCode::io, [&] { file.write(block); });
  }
  expect_error(ErrorCode::io, [&] { file.commit(); });
  EXPECT_FALSE(std::filesystem::exists(dir / "out.bin"));
}

TEST_P(AtomicFileTest, KeepsPermissionsAndFollowsLinks) {
  TempDir dir;
  const auto path = dir.file("real.bin", "old");
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::create_symlink("real.bin", dir / "link.bin");
  AtomicFile file(dir / "link.bin", GetParam());
  file.write("new");
  file.commit();
  EXPECT_EQ(test::read_file(path), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link.bin"));
  EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms::mask,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(dir.entries(), 2u);
}

TEST_P(AtomicFileTest, RefusesTargetsThatAreNoFiles) {
  TempDir dir;
  expect_error(ErrorCode::io, [&] { AtomicFile file(dir.path(), GetParam()); });
  expect_error(ErrorCode::io, [&] { AtomicFile file(dir / "absent/file", GetParam()); });
  expect_error(ErrorCode::io, [&] { AtomicFile file("/dev/null", GetParam()); });
  expect_error(ErrorCode::io, [&] { AtomicFile file("", GetParam()); });
  EXPECT_EQ(dir.entries(), 0u);
}

TEST_P(AtomicFileTest, AKilledWriterLeavesTheOldFile) {
  TempDir dir;
  const auto path = dir.file("out.bin", "old");
  EXPECT_EXIT(
      {
        AtomicFile file(path, GetParam());
        file.write(std::string(std::size_t{1} << 20, 'x'));
        ::raise(SIGKILL);
      },
      testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(test::read_file(path), "old");
  if (GetParam() == AtomicFile::Temporary::named) {
    EXPECT_EQ(dir.entries(), 2u) << "the .tmp file that the manual names";
  }
}

TEST_P(AtomicFileTest, WritesManyPiecesInOrder) {
  TempDir dir;
  std::string expected;
  AtomicFile file(dir / "out.bin", GetParam());
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::string piece(i % 701, static_cast<char>('a' + i % 26));
    file.write(piece);
    file.write_zeros(i % 5);
    expected += piece + std::string(i % 5, '\0');
  }
  EXPECT_EQ(file.position(), expected.size());
  EXPECT_FALSE(std::filesystem::exists(dir / "out.bin")) << "the name must not stand for half a file";
  file.commit();
  EXPECT_EQ(test::read_file(dir / "out.bin"), expected);
  expect_error(ErrorCode::io, [&] { file.write("more"); });
  EXPECT_EQ(dir.entries(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Temporaries, AtomicFileTest,
                         testing::Values(AtomicFile::Temporary::unnamed, AtomicFile::Temporary::named),
                         [](const auto& info) {
                           return info.param == AtomicFile::Temporary::named ? "Named" : "Unnamed";
                         });

}  // namespace
}  // namespace plumb::atomic_file_test
