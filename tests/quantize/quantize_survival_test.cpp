/// Whatever ends a run of quantize_model - a full disk, a signal, a kill - the destination is the old file or the
/// complete new one.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::quantize_survival_test {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

class QuantizeSurvival : public testing::Test {
 protected:
  static constexpr int kLayers = 20;

  void SetUp() override {
    GgufWriter writer;
    writer.set("general.architecture", "llama");
    for (int l = 0; l < kLayers; ++l)
      writer.add_tensor("blk." + std::to_string(l) + ".ffn_up.weight", DType::f32, Shape{64, 256});
    std::mt19937 random(4);
    std::normal_distribution<float> normal(0, 0.02f);
    writer.write(in_, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
      std::vector<float> x(static_cast<std::size_t>(plan.shape.elements()));
      for (float& v : x) v = normal(random);
      append(std::as_bytes(std::span(x)));
    });
    quantize_model(in_, folder_ / "reference.gguf", options());
    complete_ = test::read_file(folder_ / "reference.gguf");
    fs::remove(folder_ / "reference.gguf");
    restore();
  }

  /// One thread: a child of fork() has no others.
  static QuantizeOptions options() {
    QuantizeOptions o;
    o.recipe = Recipe::parse("q4_0");
    o.threads = 1;
    return o;
  }
  void restore() { folder_.file("out.gguf", kOld); }
  std::string contents() const { return test::read_file(out_); }

  /// Quantizes in a child process, where `prepare` may plant the end; how the child ended.
  int run_child(const std::function<void(QuantizeOptions&)>& prepare, const std::function<void(pid_t)>& meanwhile) {
    const pid_t child = ::fork();
    if (child == 0) {
      QuantizeOptions o = options();
      prepare(o);
      quantize_model(in_, out_, o);
      ::_exit(0);
    }
    meanwhile(child);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  }

  /// Files in the folder that are neither input nor destination.
  std::vector<std::string> strangers() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path()))
      if (entry.path() != in_ && entry.path() != out_) names.push_back(entry.path().filename());
    return names;
  }

  /// Whether the file system of the folder has files without a name, of which a kill leaves nothing.
  bool leaves_nothing() const {
    const int file = ::open(folder_.path().c_str(), O_TMPFILE | O_WRONLY, 0600);
    if (file >= 0) ::close(file);
    return file >= 0;
  }

  static constexpr const char* kOld = "what was there before";
  const test::TempDir folder_;
  const fs::path in_ = folder_ / "in.gguf", out_ = folder_ / "out.gguf";
  std::string complete_;
};

TEST_F(QuantizeSurvival, AFullDiskAtAnyOffsetLeavesTheOldFileAndNothingElse) {
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);  // the limit then is an error of write(), as a full disk is
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  constexpr std::size_t kOffsets = 40;
  for (std::size_t i = 0; i < kOffsets; ++i) {
    rlimit limit = before;
    limit.rlim_cur = static_cast<rlim_t>(i * (complete_.size() - 1) / (kOffsets - 1));
    std::string message;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    try {
      quantize_model(in_, out_, options());
    } catch (const Error& e) {
      message = e.what();
      EXPECT_EQ(e.code(), ErrorCode::io);
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_NE(message.find("out.gguf"), std::string::npos) << message << " at " << limit.rlim_cur;
    EXPECT_EQ(contents(), kOld) << "at " << limit.rlim_cur;
    EXPECT_TRUE(strangers().empty()) << strangers().front();
  }
  std::signal(SIGXFSZ, old_handler);
  quantize_model(in_, out_, options());
  EXPECT_EQ(contents(), complete_);
}

// Killed from inside, at every step of the progress in turn: the file is then partly written.
TEST_F(QuantizeSurvival, KilledWhileWritingTheOldFileStays) {
  int steps = 0;
  QuantizeOptions counting = options();
  counting.progress = [&](const QuantizeProgress&) { ++steps; };
  quantize_model(in_, out_, counting);
  ASSERT_GE(steps, kLayers);
  restore();
  int killed = 0;
  for (const int signal : {SIGKILL, SIGTERM, SIGINT})
    for (int end = 1; end <= kLayers; ++end, ++killed) {
      const auto plant = [&](QuantizeOptions& o) {
        o.progress = [&, step = 0](const QuantizeProgress&) mutable {
          if (++step != end) return;
          std::signal(signal, SIG_DFL);  // a shell may start background jobs with SIGINT ignored
          ::raise(signal);
        };
      };
      const int status = run_child(plant, [](pid_t) {});
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal) << status;
      EXPECT_EQ(contents(), kOld) << "signal " << signal << " at step " << end;
      if (leaves_nothing()) {
        EXPECT_EQ(strangers(), std::vector<std::string>());
      }
    }
  EXPECT_GE(killed, 60);
}

// Killed from outside at any time, the commit included: old or complete.
TEST_F(QuantizeSurvival, KilledAtAnyTimeTheFileIsOldOrComplete) {
  const auto start = Clock::now();
  ASSERT_EQ(run_child([](QuantizeOptions&) {}, [](pid_t) {}), 0);
  const auto whole = Clock::now() - start;
  ASSERT_EQ(contents(), complete_);
  constexpr int kPoints = 80;  // with those killed from inside, SIGKILL comes at 100
  int old = 0, complete = 0;
  for (int i = 0; i < kPoints; ++i) {
    restore();
    run_child([](QuantizeOptions&) {},
              [&](pid_t child) {
                ::usleep(static_cast<useconds_t>(
                    std::chrono::duration_cast<std::chrono::microseconds>(whole * i * 3 / (2 * kPoints)).count()));
                ::kill(child, SIGKILL);
              });
    const std::string now = contents();
    ASSERT_TRUE(now == kOld || now == complete_) << now.size() << " bytes after point " << i;
    ++(now == kOld ? old : complete);
    for (const std::string& name : strangers()) EXPECT_TRUE(name.ends_with(".tmp")) << name;
  }
  EXPECT_GE(old, 1);  // the first kill comes at once
  RecordProperty("old", old);
  RecordProperty("complete", complete);
}

}  // namespace
}  // namespace plumb::quantize_survival_test
